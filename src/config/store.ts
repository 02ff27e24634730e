import { DocumentLocation } from './document-location.ts'
import { readFile, type FileReading, type SourceFile } from './file-reading.ts'
import type { Problem } from './problems.ts'
import { buildResourceSet } from './resource-lists.ts'
import type { ResourceReading } from './resource-reading.ts'
import type { ResourceSet } from './resource-set.ts'
import type { Resource } from './resource.ts'
import { skippedProblems } from './skipped-kinds.ts'

export type { SourceFile } from './file-reading.ts'

export interface StoreOptions {
  /** Istio's leniency where Tidegate is strict (`--compat`). */
  readonly compat: boolean
}

export interface LoadResult {
  readonly set: ResourceSet
  /** Everything to be said about this load, in the order of files and lines; errors do not stop it. */
  readonly problems: readonly Problem[]
  /** False when every resource and its place in the files is as before. */
  readonly changed: boolean
  readonly counts: LoadCounts
}

export interface LoadCounts {
  readonly files: number
  /** Documents that parsed, the items of Lists counted one by one. */
  readonly documents: number
  /** Resources in the set. */
  readonly resources: number
  /** Resources in the set that are the last good version of a broken one. */
  readonly kept: number
}

/** No resource of its own: the place of one that was never good. */
const WITHHELD: ReadonlySet<keyof ResourceSet> = new Set([
  'withheldRules',
  'withheldAuthentications',
])

/** A resource in the set. */
interface Entry {
  readonly resource: Resource<unknown>
  readonly list: keyof ResourceSet
  /** The load that read it. */
  readonly load: number
  readonly loadedAt: string
}

/**
 * Turns the texts of all files into one ResourceSet, again and again. A resource that became wrong is
 * represented by its last good version until it is mended or its document disappears; documents that
 * did not change are not parsed again, wherever in their file they stand now.
 */
export class ResourceStore {
  readonly #options: StoreOptions
  #entries = new Map<string, Entry>()
  #files = new Map<string, { readonly file: SourceFile; readonly reading: FileReading }>()
  #set: ResourceSet = buildResourceSet([])
  #loads = 0

  constructor(options: StoreOptions) {
    this.#options = options
  }

  /** `files` is everything there is now: what is not among them is gone. Never throws. */
  load(files: readonly SourceFile[]): LoadResult {
    this.#loads++
    const readings = this.#readFiles(files)
    const resources = readings.flatMap((reading) => reading.resources)
    const problems = readings.flatMap((reading) => reading.problems)
    const entries = this.#accept(resources, problems)
    const kept = this.#keepLastGood(readings, entries, problems)
    problems.push(...skippedProblems(resources))
    const changed = !sameEntries(this.#entries, entries)
    if (changed || this.#loads === 1) this.#set = buildResourceSet(entries.values())
    this.#entries = entries
    const counts = {
      files: files.length,
      documents: resources.length,
      resources: [...entries.values()].filter(({ list }) => !WITHHELD.has(list)).length,
      kept,
    }
    return { set: this.#set, problems, changed, counts }
  }

  #readFiles(files: readonly SourceFile[]): FileReading[] {
    const known = this.#files
    this.#files = new Map()
    return files.map((file) => {
      const before = known.get(file.path)
      if (before !== undefined && sameFile(before.file, file)) {
        this.#files.set(file.path, before)
        return before.reading
      }
      const reading = readFile(file, this.#options, before?.reading.documents)
      this.#files.set(file.path, { file, reading })
      return reading
    })
  }

  /** The first document of each name decides; a second one is an error, or a warning when it says the same. */
  #accept(readings: readonly ResourceReading[], problems: Problem[]): Map<string, Entry> {
    const first = new Map<string, ResourceReading>()
    const entries = new Map<string, Entry>()
    for (const reading of readings) {
      if (reading.ref === null || reading.kind === null) continue
      const key = keyOf(reading.kind.istio, reading.ref)
      const earlier = first.get(key)
      if (earlier !== undefined) {
        problems.push(duplicateProblem(reading, earlier))
        continue
      }
      first.set(key, reading)
      const { list } = reading.kind
      const before = this.#entries.get(key)
      if (reading.resource !== null) {
        const same = before !== undefined && sameResource(before.resource, reading.resource)
        entries.set(key, same ? before : this.#entry(reading.resource, list))
      } else if (before !== undefined && !WITHHELD.has(before.list)) {
        entries.set(key, before)
        problems.push(lastGoodProblem(before, reading.file, reading.line))
      } else if (reading.withheld !== null) {
        const { list: place, resource } = reading.withheld
        const same = before !== undefined && sameResource(before.resource, resource)
        entries.set(key, same ? before : this.#entry(resource, place))
      }
    }
    return entries
  }

  /** Resources that are missing from a file part of which cannot be read may stand in that part. */
  #keepLastGood(
    readings: readonly FileReading[],
    entries: Map<string, Entry>,
    problems: Problem[],
  ): number {
    const uncertain = new Set(
      readings.filter((reading) => reading.uncertain).map((reading) => reading.path),
    )
    for (const [key, entry] of this.#entries) {
      const { file } = entry.resource.location
      if (entries.has(key) || file === null || !uncertain.has(file)) continue
      entries.set(key, entry)
      if (WITHHELD.has(entry.list)) continue
      problems.push(lastGoodProblem(entry, file, null))
    }
    return problems.filter((problem) => problem.code === 'last-good-kept').length
  }

  #entry(resource: Resource<unknown>, list: keyof ResourceSet): Entry {
    return { resource, list, load: this.#loads, loadedAt: new Date().toISOString() }
  }
}

function sameFile(left: SourceFile, right: SourceFile): boolean {
  return left === right || (left.text === right.text && left.error === right.error)
}

/** A Gateway of Istio's and a Service of Kubernetes' never share a key, whatever the kinds are called. */
function keyOf(istio: boolean, ref: { kind: string; namespace: string; name: string }): string {
  return `${istio ? 'istio' : 'kubernetes'} ${ref.kind} ${ref.namespace} ${ref.name}`
}

function sameResource(left: Resource<unknown>, right: Resource<unknown>): boolean {
  if (left === right) return true
  if (left.digest !== right.digest) return false
  if (left.metadata.creationTimestamp !== right.metadata.creationTimestamp) return false
  return left.location instanceof DocumentLocation && left.location.sameAs(right.location)
}

function sameEntries(left: ReadonlyMap<string, Entry>, right: ReadonlyMap<string, Entry>): boolean {
  if (left.size !== right.size) return false
  for (const [key, entry] of right) if (left.get(key) !== entry) return false
  return true
}

function duplicateProblem(reading: ResourceReading, earlier: ResourceReading): Problem {
  const { ref, file, line } = reading
  const digest = earlier.resource?.digest
  const same = digest !== undefined && digest === reading.resource?.digest
  const where = `${earlier.file ?? 'the input'}:${earlier.line}`
  return {
    code: 'duplicate-resource',
    severity: same ? 'warning' : 'error',
    ref,
    path: ['metadata', 'name'],
    message: `${ref?.kind} ${ref?.namespace}/${ref?.name} is already defined at ${where}, which is the one used`,
    hint: same ? 'both say the same: delete one' : 'delete or rename one of them',
    file,
    line,
    column: null,
  }
}

function lastGoodProblem(entry: Entry, file: string | null, line: number | null): Problem {
  const { kind, metadata } = entry.resource
  const { namespace, name } = metadata
  return {
    code: 'last-good-kept',
    severity: 'warning',
    ref: { kind, namespace, name },
    path: [],
    message: `${kind} ${namespace}/${name} stays as load ${entry.load} of ${entry.loadedAt} read it, until its errors are mended`,
    hint: null,
    file,
    line,
    column: null,
  }
}

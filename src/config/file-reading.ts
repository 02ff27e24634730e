import { parseDocuments, type ParsedDocument } from './document.ts'
import { isMapping } from './mapping.ts'
import { nearest } from './position-tree.ts'
import type { Problem } from './problems.ts'
import {
  readResource,
  type DocumentItem,
  type ReadingOptions,
  type ResourceReading,
} from './resource-reading.ts'

/** A file as a source found it. */
export interface SourceFile {
  readonly path: string
  /** Null when it could not be read; then `error` says why. */
  readonly text: string | null
  readonly error: string | null
}

export interface FileReading {
  readonly path: string
  readonly resources: readonly ResourceReading[]
  readonly problems: readonly Problem[]
  /** Some document could not be read or named: it may have held any resource of this file. */
  readonly uncertain: boolean
}

export function readFile(file: SourceFile, options: ReadingOptions): FileReading {
  const { path } = file
  if (file.text === null) {
    const message = `the file cannot be read: ${file.error ?? 'it has no text'}`
    const problem: Problem = {
      code: 'unreadable-file',
      severity: 'error',
      ref: null,
      path: [],
      message,
      hint: null,
      file: path,
      line: null,
      column: null,
    }
    return { path, resources: [], problems: [problem], uncertain: true }
  }
  const parsed = parseDocuments(file.text, path)
  const items = parsed.documents.flatMap((document) => unpackList(document, path))
  const resources = items.map((item) => readResource(item, options))
  const unnamed = resources.some((reading) => reading.ref === null && reading.skipped === null)
  const uncertain = unnamed || parsed.problems.some((problem) => problem.severity === 'error')
  return { path, resources, problems: parsed.problems, uncertain }
}

/** `kind: List` and the typed lists (`VirtualServiceList`) that kubectl prints. */
function unpackList(document: ParsedDocument, file: string): DocumentItem[] {
  const { value, positions, problems } = document
  const list = isMapping(value) ? value : {}
  const { kind, items, apiVersion } = list
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items)) {
    return [{ value, positions, file, problems }]
  }
  const inherited = kind === 'List' ? null : { apiVersion, kind: kind.slice(0, -'List'.length) }
  return items.map((item: unknown, index) => ({
    value: inherited === null ? item : withType(item, inherited),
    positions: nearest(positions, ['items', index]),
    file,
    problems: problems.flatMap((problem) => ownProblem(problem, index)),
  }))
}

/** The API server leaves apiVersion and kind out of the items of a typed list. */
function withType(item: unknown, inherited: { apiVersion: unknown; kind: string }): unknown {
  if (!isMapping(item) || 'kind' in item) return item
  return Object.freeze(Object.assign(Object.create(null), inherited, item))
}

/** A finding of the list's document, as the item it belongs to has it; others belong to the first. */
function ownProblem(problem: Problem, index: number): Problem[] {
  const [field, position, ...path] = problem.path
  if (field === 'items' && typeof position === 'number')
    return position === index ? [{ ...problem, path }] : []
  return index === 0 ? [problem] : []
}

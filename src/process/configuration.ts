import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { compileSnapshot } from '../compile/compile.ts'
import { type CompileInput, type CompileSettings, settingsOf } from '../compile/compile-input.ts'
import { CompileMemory } from '../compile/compile-memory.ts'
import type { EgressControlSettings } from '../compile/egress/egress-control-settings.ts'
import { type LimitFlags, NO_LIMIT_FLAGS } from '../compile/limits/limit-table.ts'
import { findMeshConfig, type MeshConfigSpec, parseMeshConfig } from '../config/mesh-config.ts'
import { type Problem, unplacedProblem } from '../config/problems.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import { type LoadCounts, ResourceStore, type SourceFile } from '../config/store.ts'
import type { AuthenticatorFactory } from '../filters/authenticator.ts'
import type { ConfigMapView, FilterFactory } from '../filters/filter.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'

/** Where Istio keeps the ConfigMap `istio` and everything mesh-wide. */
const ROOT_NAMESPACE = 'istio-system'

export interface ConfigurationOptions {
  readonly compat: boolean
  /** `--limit`; none when absent. */
  readonly limits?: LimitFlags
  readonly labels: readonly Readonly<Record<string, string>>[]
  readonly namespace: string
  readonly domain: string
  /** Own `region/zone/subzone`; '': that of the Node `nodeName`; absent: nobody was asked. */
  readonly locality?: string
  readonly nodeName?: string
  /** MeshConfig file; null: the ConfigMap in the sources. */
  readonly meshConfig: string | null
  /** Descriptor file or folder of envoyproxy/ratelimit, or null. */
  readonly rateLimitConfig: string | null
  /** CIDRs; none when absent. */
  readonly trustedProxies?: readonly string[]
  /** Folder with the workload's certificate; absent: /etc/certs. */
  readonly meshCertificates?: string
  readonly egressControl?: EgressControlSettings
  /** Addresses of `--egress`; empty: the MeshConfig tells whether there is one; absent: it is open. */
  readonly egress?: readonly unknown[]
  readonly filterFactories: readonly FilterFactory[]
  readonly authenticators: AuthenticatorFactory
}

export interface LoadedConfiguration {
  readonly snapshot: Snapshot
  readonly set: ResourceSet
  readonly mesh: MeshConfigSpec
  readonly settings: CompileSettings
  readonly problems: readonly Problem[]
  readonly counts: LoadCounts
  /** False: nothing that matters changed, `snapshot` is the one before. */
  readonly changed: boolean
}

/** From file texts to a snapshot: one store and one generation counter for the life of a process. */
export class Configuration {
  readonly #options: ConfigurationOptions
  readonly #store: ResourceStore
  readonly #memory = new CompileMemory()
  #mesh: MeshConfigSpec | null = null
  #last: LoadedConfiguration | null = null
  #extras = ''
  /** The last compilation threw: the same files are compiled again. */
  #unfinished = false

  constructor(options: ConfigurationOptions) {
    this.#options = options
    this.#store = new ResourceStore({ compat: options.compat })
  }

  load(files: readonly SourceFile[]): LoadedConfiguration {
    const loaded = this.#store.load(files)
    const problems: Problem[] = [...loaded.problems]
    const mesh = this.#meshConfig(loaded.set, problems)
    const descriptors = this.#rateLimitConfigs(problems)
    const extras = JSON.stringify([mesh, descriptors])
    const changed =
      this.#unfinished || this.#last === null || loaded.changed || extras !== this.#extras
    this.#extras = extras
    if (!changed && this.#last !== null) {
      return { ...this.#last, problems: [...problems, ...this.#compileProblems], changed: false }
    }
    this.#unfinished = true
    const input: CompileInput = {
      set: loaded.set,
      memory: this.#memory,
      generation: (this.#last?.snapshot.generation ?? 0) + 1,
      ownLabels: this.#options.labels,
      namespace: this.#options.namespace,
      domain: this.#options.domain,
      ...(this.#options.locality === undefined ? {} : { locality: this.#options.locality }),
      nodeName: this.#options.nodeName ?? '',
      meshConfig: mesh,
      compat: this.#options.compat,
      limits: this.#options.limits ?? NO_LIMIT_FLAGS,
      filterFactories: this.#options.filterFactories,
      authenticators: this.#options.authenticators,
      rateLimitConfigs: descriptors,
      trustedProxies: this.#options.trustedProxies ?? [],
      ...(this.#options.egressControl === undefined ? {} : { egress: this.#options.egressControl }),
      egressOpen: this.#options.egress === undefined || this.#options.egress.length > 0,
      ...(this.#options.meshCertificates === undefined
        ? {}
        : { meshCertificates: this.#options.meshCertificates }),
    }
    const compiled = compileSnapshot(input)
    this.#unfinished = false
    this.#compileProblems = compiled.problems
    this.#last = {
      snapshot: compiled.snapshot,
      set: loaded.set,
      mesh: mesh ?? {},
      settings: settingsOf(input),
      problems: [...problems, ...compiled.problems],
      counts: loaded.counts,
      changed: true,
    }
    return this.#last
  }

  #compileProblems: readonly Problem[] = []

  /** A MeshConfig with errors leaves the one before in force. */
  #meshConfig(set: ResourceSet, problems: Problem[]): MeshConfigSpec | null {
    const path = this.#options.meshConfig
    const text = path === null ? null : readText(path, problems)
    if (path !== null && text === null) return this.#mesh
    const reading =
      text === null ? findMeshConfig(set, ROOT_NAMESPACE) : parseMeshConfig(text, path)
    if (reading === null) return null
    problems.push(...reading.problems)
    const broken = reading.problems.some((problem) => problem.severity === 'error')
    if (!broken || this.#mesh === null) this.#mesh = reading.spec
    return this.#mesh
  }

  /** Descriptor files given by flag, as the filter sees ConfigMaps. */
  #rateLimitConfigs(problems: Problem[]): readonly ConfigMapView[] {
    const path = this.#options.rateLimitConfig
    if (path === null) return []
    const views: ConfigMapView[] = []
    for (const file of filesOf(path)) {
      const text = readText(file, problems)
      if (text === null) continue
      views.push({
        namespace: '',
        name: basename(file),
        data: { [basename(file)]: text },
        file,
        line: 1,
      })
    }
    return views
  }
}

function filesOf(path: string): readonly string[] {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path]
  return readdirSync(path)
    .filter((name) => /\.ya?ml$/.test(name))
    .toSorted()
    .map((name) => join(path, name))
}

function readText(path: string, problems: Problem[]): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const hint = 'check the path and its permissions'
    problems.push({ ...unplacedProblem('error', 'unreadable-file', message, hint), file: path })
    return null
  }
}

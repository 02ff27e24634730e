import type { MeshConfigSpec } from '../config/mesh-config.ts'
import type { Problem } from '../config/problems.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { ConfigMapView, FilterFactory } from '../filters/filter.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'

/** Everything a compilation depends on: equal input gives an equal snapshot. */
export interface CompileInput {
  readonly set: ResourceSet
  readonly generation: number
  /** Each entry is the label set of one gateway this process stands for; none: every Gateway is served. */
  readonly ownLabels: readonly Readonly<Record<string, string>>[]
  /** The namespace the process stands in: Secrets, exportTo, DestinationRule lookup. */
  readonly namespace: string
  /** Cluster domain, `cluster.local`. */
  readonly domain: string
  /** null: none was given. */
  readonly meshConfig: MeshConfigSpec | null
  /** Istio's own behaviour where Tidegate differs on purpose. */
  readonly compat: boolean
  readonly filterFactories: readonly FilterFactory[]
  /** Rate-limit configuration given by flag, beside the set's ConfigMaps. */
  readonly rateLimitConfigs?: readonly ConfigMapView[]
}

export interface CompileResult {
  readonly snapshot: Snapshot
  /** Resources that are valid alone but meet others badly, and everything that was left out. */
  readonly problems: readonly Problem[]
}

/** How a compilation is set up: CompileInput without the resources. */
export interface CompileSettings {
  readonly ownLabels: readonly Readonly<Record<string, string>>[]
  readonly namespace: string
  /** MeshConfig.rootNamespace, `istio-system` by default. */
  readonly rootNamespace: string
  readonly domain: string
  readonly mesh: MeshConfigSpec
  readonly compat: boolean
}

/** Reads the settings out of the input and fills in Istio's defaults. */
export function settingsOf(input: CompileInput): CompileSettings {
  const mesh = input.meshConfig ?? {}
  return {
    ownLabels: input.ownLabels,
    namespace: input.namespace,
    rootNamespace: mesh.rootNamespace ?? 'istio-system',
    domain: input.domain,
    mesh,
    compat: input.compat,
  }
}

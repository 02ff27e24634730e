import { type Locality, parseLocality } from '../base/locality.ts'
import type { MeshConfigSpec } from '../config/mesh-config.ts'
import type { Problem } from '../config/problems.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { AuthenticatorFactory } from '../filters/authenticator.ts'
import type { ConfigMapView, FilterFactory } from '../filters/filter.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { type EgressControlSettings, NO_EGRESS_CONTROL } from './egress/egress-control-settings.ts'
import { NodeLocalities } from './registry/locality-labels.ts'
import type { CompileMemory } from './compile-memory.ts'
import { type LimitFlags, NO_LIMIT_FLAGS } from './limits/limit-table.ts'

/** Everything a compilation depends on: equal input gives an equal snapshot, whatever `memory` holds. */
export interface CompileInput {
  readonly set: ResourceSet
  readonly generation: number
  /** Of the compilations before; absent: this is the first, and the last. */
  readonly memory?: CompileMemory
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
  /** `--limit`; absent: none was given. */
  readonly limits?: LimitFlags
  readonly filterFactories: readonly FilterFactory[]
  /** Enforces RequestAuthentications; absent: nothing is served. */
  readonly authenticators?: AuthenticatorFactory
  /** Rate-limit configuration given by flag, beside the set's ConfigMaps. */
  readonly rateLimitConfigs?: readonly ConfigMapView[]
  /** `region/zone/subzone` of the gateway (`--locality`); '': the Node's; absent: no gateway was asked. */
  readonly locality?: string
  /** The Node the gateway runs on, whose labels stand in for `locality`. */
  readonly nodeName?: string
  /** CIDRs of proxies in front that are believed (`--trusted-proxy`); none: numTrustedProxies decides. */
  readonly trustedProxies?: readonly string[]
  /** Folder with the workload's certificate for ISTIO_MUTUAL (`--mesh-certs`); absent: /etc/certs. */
  readonly meshCertificates?: string
  /** Flags of the egress proxy about its clients; absent: none was given. */
  readonly egress?: EgressControlSettings
  /** An egress proxy is open: what its clients see by their namespaces is compiled. Absent: none is. */
  readonly egressOpen?: boolean
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
  readonly limits?: LimitFlags
  readonly meshCertificates?: string | undefined
  readonly egress?: EgressControlSettings
  /** Whether egress clients see by their own namespaces. */
  readonly egressOpen: boolean
  /** Where the gateway stands; null: not known. */
  readonly locality: Locality | null
  /** False where files are only looked at: that no locality is known is no finding then. */
  readonly localityAsked: boolean
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
    limits: input.limits ?? NO_LIMIT_FLAGS,
    meshCertificates: input.meshCertificates,
    egress: input.egress ?? NO_EGRESS_CONTROL,
    egressOpen: (input.egressOpen ?? false) || (mesh.proxyHttpPort ?? 0) !== 0,
    locality: ownLocality(input),
    localityAsked: input.locality !== undefined,
  }
}

function ownLocality({ locality, nodeName, set }: CompileInput): Locality | null {
  const text = locality || new NodeLocalities(set.nodes).of(nodeName)
  return text === '' ? null : parseLocality(text)
}

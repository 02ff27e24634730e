import type { Cidr } from '../base/cidr.ts'
import type { HostTable } from '../routing/host-table.ts'
import type { RouteOrigin } from '../routing/route.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import type { EgressTables } from './egress-plan.ts'

export type OutboundPolicy = 'ALLOW_ANY' | 'REGISTRY_ONLY'

/** Whose decisions these are: who the clients of the egress proxy are and what each may see. */
export interface EgressControl {
  /** `--egress-mode report`: what REGISTRY_ONLY would refuse passes, and is recorded. */
  readonly reportOnly: boolean
  /** `--egress-unknown-clients refuse`. */
  readonly refuseUnknown: boolean
  /** Who declares a host on a port: by the names and by the addresses that clients ask for. */
  readonly declarations: ReadonlyMap<number, HostTable<DeclaredHost>>
  readonly addresses: readonly DeclaredAddress[]
  /** Workloads by the address they connect from. */
  readonly workloads: ReadonlyMap<string, EgressClient>
  /** Stands for everybody whom nothing identifies. */
  readonly unknown: EgressClient
  /** Users of Proxy-Authorization and of SOCKS5 by name; null: credentials are not asked for and mean nothing. */
  readonly users: ReadonlyMap<string, EgressUser> | null
  /** Where clients whose namespace is not known count as being: the gateway's. */
  readonly namespace: string
  /**
   * What clients see by their namespace, '' for any other (exportTo of VirtualServices and
   * DestinationRules, DestinationRules of the namespace itself); null: everybody sees the same.
   */
  readonly tables: ReadonlyMap<string, EgressTables> | null
  /** Some declaration has an audience. */
  readonly hasAudiences: boolean
  /** The Sidecar for clients of which only the namespace is known; '' is any other namespace. */
  readonly scopes: ReadonlyMap<string, EgressScope>
  /** Taken for undeclared hosts under either policy. */
  readonly allowAny: VirtualHost
  readonly blockAll: VirtualHost
}

export interface DeclaredHost {
  readonly host: string
  readonly namespace: string
  readonly origin: RouteOrigin
  /** Namespaces whose clients see it (exportTo); null: all. */
  readonly audience: ReadonlySet<string> | null
}

export interface DeclaredAddress {
  readonly cidr: Cidr
  readonly port: number
  readonly declared: DeclaredHost
}

/** What one Sidecar lets its clients see (Istio Sidecar.egress, outboundTrafficPolicy). */
export interface EgressScope {
  /** `namespace/name` of the Sidecar. */
  readonly name: string
  /** null: the mesh's. */
  readonly policy: OutboundPolicy | null
  /** Does it import the declaration of `host` in `namespace` for what asks on `port`? */
  sees(namespace: string, host: string, port: number): boolean
}

export interface EgressUser {
  /** Of the password. */
  readonly digest: Buffer
  readonly algorithm: 'sha256' | 'sha1'
  readonly client: EgressClient
}

export const UNKNOWN_CLIENT: EgressClient = {
  by: 'unknown',
  id: '',
  namespace: '',
  serviceAccount: '',
  scope: null,
}

/** Who asks. */
export interface EgressClient {
  /** How it is known. */
  readonly by: 'pod' | 'workload-entry' | 'certificate' | 'credentials' | 'unknown'
  /** `namespace/name`, a SPIFFE id, a user's name, or ''. */
  readonly id: string
  /** '' when not known. */
  readonly namespace: string
  readonly serviceAccount: string
  /** null: no Sidecar applies, everything is visible. */
  readonly scope: EgressScope | null
}

import type { EndpointPlan } from '../../clusters/plan.ts'
import type { Resource } from '../../config/resource.ts'
import type { PortProtocol } from './port-protocol.ts'

/**
 * How the addresses of a service are found. `passthrough`: nowhere, the request itself says
 * (ServiceEntry resolution NONE and DYNAMIC_DNS).
 */
export type ServiceDiscovery = 'static' | 'dns' | 'dns-round-robin' | 'passthrough'

/** What a service means by near. */
export type Nearness = 'same-zone' | 'same-subzone'

export interface MeshServicePort {
  readonly number: number
  readonly name: string
  readonly protocol: PortProtocol
  readonly endpoints: readonly EndpointPlan[]
}

/** One host that destinations can name: from a Kubernetes Service, a ServiceEntry, or a bare name. */
export interface MeshService {
  /** Lower-case; may be a wildcard (ServiceEntry). */
  readonly host: string
  /** Where its DestinationRules are looked up besides our own namespace and the root's. */
  readonly namespace: string
  /** For metrics: the Service's name, or the host. */
  readonly name: string
  /** null for a bare name. */
  readonly source: Resource<unknown> | null
  readonly ports: ReadonlyMap<number, MeshServicePort>
  readonly discovery: ServiceDiscovery
  /** Cluster IPs, or a ServiceEntry's addresses (CIDRs too). */
  readonly addresses: readonly string[]
  /** ServiceEntry subjectAltNames. */
  readonly subjectAltNames: readonly string[]
  /**
   * TLS server names that clients of the egress proxy may ask this service for, patterns too: all
   * hosts of its ServiceEntry, and those of its annotation. Absent or null: any.
   */
  readonly serverNames?: readonly string[] | null
  /** ServiceEntry resolution DYNAMIC_DNS: each request's own host is resolved. Default: no. */
  readonly isDynamic?: boolean
  /** Namespaces that it is exported to, its own included as exportTo says; absent or null: all. */
  readonly audience?: ReadonlySet<string> | null
  /** Near endpoints go first, also without outlierDetection (Service trafficDistribution). */
  readonly prefers?: Nearness
}

import type { DestinationRuleSpec } from './kinds/destination-rule.ts'
import type { EnvoyFilterSpec } from './kinds/envoy-filter.ts'
import type { GatewaySpec } from './kinds/gateway.ts'
import type {
  ConfigMapBody,
  EndpointSliceBody,
  EndpointsBody,
  NodeBody,
  PodBody,
  SecretBody,
  ServiceSpec,
} from './kinds/kubernetes.ts'
import type { RateLimitPolicySpec } from './kinds/rate-limit-policy.ts'
import type { RequestAuthenticationSpec } from './kinds/request-authentication.ts'
import type { ServiceEntrySpec } from './kinds/service-entry.ts'
import type { SidecarSpec } from './kinds/sidecar.ts'
import type { VirtualServiceSpec } from './kinds/virtual-service.ts'
import type { WorkloadEntrySpec } from './kinds/workload-entry.ts'
import type { Resource } from './resource.ts'

/**
 * Everything configuration says at one moment: every resource passed validation (or is the last
 * good version of one that did not). Each list is ordered by creationTimestamp (undated last), then
 * name, then namespace.
 */
export interface ResourceSet {
  readonly gateways: readonly Resource<GatewaySpec>[]
  readonly virtualServices: readonly Resource<VirtualServiceSpec>[]
  readonly destinationRules: readonly Resource<DestinationRuleSpec>[]
  /** Stand-ins for DestinationRules with errors that ask for TLS: their hosts are not to be reached. */
  readonly withheldRules: readonly Resource<DestinationRuleSpec>[]
  readonly serviceEntries: readonly Resource<ServiceEntrySpec>[]
  readonly workloadEntries: readonly Resource<WorkloadEntrySpec>[]
  readonly sidecars: readonly Resource<SidecarSpec>[]
  readonly envoyFilters: readonly Resource<EnvoyFilterSpec>[]
  readonly rateLimitPolicies: readonly Resource<RateLimitPolicySpec>[]
  readonly requestAuthentications: readonly Resource<RequestAuthenticationSpec>[]
  /** Stand-ins for RequestAuthentications with errors: they accept no token. */
  readonly withheldAuthentications: readonly Resource<RequestAuthenticationSpec>[]
  readonly services: readonly Resource<ServiceSpec>[]
  readonly endpointSlices: readonly Resource<EndpointSliceBody>[]
  readonly endpoints: readonly Resource<EndpointsBody>[]
  readonly pods: readonly Resource<PodBody>[]
  readonly secrets: readonly Resource<SecretBody>[]
  readonly configMaps: readonly Resource<ConfigMapBody>[]
  readonly namespaces: readonly Resource<Record<string, unknown>>[]
  readonly nodes: readonly Resource<NodeBody>[]
}

import type { MeshConfigSpec } from '../../config/mesh-config.ts'
import { expandHost } from '../../config/hosts.ts'
import type { ParentProxy } from '../../snapshot/egress-plan.ts'
import { type ClusterBook, clusterName } from '../clusters.ts'
import type { CompileSettings } from '../compile-input.ts'
import type { Findings } from '../findings.ts'
import type { ServiceRegistry } from '../registry/service-registry.ts'

/**
 * outboundTrafficPolicy.egressProxy: the proxy that reaches undeclared hosts for us, a destination
 * like that of a route. It counts with ALLOW_ANY only, as in Istio.
 */
export function parentProxy(parts: {
  readonly mesh: MeshConfigSpec
  readonly registry: ServiceRegistry
  readonly clusters: ClusterBook
  readonly settings: CompileSettings
  readonly findings: Findings
}): ParentProxy | null {
  const { mesh, registry, clusters, settings, findings } = parts
  const { egressProxy, mode } = mesh.outboundTrafficPolicy ?? {}
  if (egressProxy === undefined) return null
  const report = (message: string, hint: string): void =>
    findings.reportGeneral('error', 'egress-proxy-invalid', message, hint)
  if (mode === 'REGISTRY_ONLY') {
    report(
      'MeshConfig outboundTrafficPolicy.egressProxy has no effect with mode REGISTRY_ONLY',
      'write mode: ALLOW_ANY, or leave egressProxy out',
    )
    return null
  }
  const { namespace, domain } = settings
  const host = expandHost(egressProxy.host ?? '', namespace, domain).toLowerCase()
  const service = registry.find(host)
  const number = egressProxy.port?.number ?? onlyPort(service?.ports.keys())
  const subset = egressProxy.subset ?? ''
  const name = clusterName(number, subset, host)
  const port = service?.ports.get(number)
  const lookup =
    service === null || port === undefined ? null : clusters.lookup(service, port, subset)
  const cluster = lookup !== null && lookup.type === 'found' ? lookup.cluster : null
  if (cluster === null) {
    report(
      `MeshConfig outboundTrafficPolicy.egressProxy names ${name}, which does not exist: undeclared hosts get 503`,
      'declare the proxy with a Service or a ServiceEntry and name one of its ports',
    )
  }
  return { clusterName: name, cluster }
}

/** 0 when there is none, or a choice. */
function onlyPort(ports: Iterable<number> | undefined): number {
  const [only = 0, ...others] = ports ?? []
  return others.length === 0 ? only : 0
}

import { isIP } from 'node:net'
import type { EndpointPlan } from '../../clusters/plan.ts'
import type { ServiceSpec } from '../../config/kinds/kubernetes.ts'
import type { Resource } from '../../config/resource.ts'
import type { KubernetesEndpoints, KubernetesServicePort } from './kubernetes-endpoints.ts'
import type { MeshService, MeshServicePort, ServiceDiscovery } from './mesh-service.ts'
import { serviceProtocol } from './port-protocol.ts'
import { preference } from './traffic-distribution.ts'
import { NO_TRAITS } from './workloads.ts'

const HEADLESS = 'None'

/** The service a Kubernetes Service is to routes: its FQDN, its TCP ports and their endpoints. */
export function kubernetesService(
  service: Resource<ServiceSpec>,
  domain: string,
  endpoints: KubernetesEndpoints,
): MeshService {
  const { name, namespace } = service.metadata
  const host = `${name}.${namespace}.svc.${domain}`.toLowerCase()
  const ports = new Map<number, MeshServicePort>()
  let discovery: ServiceDiscovery = 'static'
  for (const port of service.spec.ports ?? []) {
    if (port.port === undefined || !carriesTcp(port) || ports.has(port.port)) continue
    const found = portEndpoints(service, port, host, endpoints)
    if (found.names) discovery = 'dns'
    ports.set(port.port, {
      number: port.port,
      name: port.name ?? '',
      protocol: serviceProtocol(port),
      endpoints: found.endpoints,
    })
  }
  return {
    host,
    namespace,
    name,
    source: service,
    ports,
    discovery,
    addresses: clusterAddresses(service.spec),
    subjectAltNames: [],
    ...preference(service),
  }
}

function portEndpoints(
  service: Resource<ServiceSpec>,
  port: KubernetesServicePort,
  host: string,
  endpoints: KubernetesEndpoints,
): { readonly endpoints: readonly EndpointPlan[]; readonly names: boolean } {
  const { type, externalName, clusterIP } = service.spec
  if (type === 'ExternalName') {
    if (externalName === undefined) return { endpoints: [], names: false }
    return named(externalName, port)
  }
  const found = endpoints.find(service, port)
  if (found !== null) return found
  // The records of a headless Service are its endpoints: DNS knows them when the set does not.
  return clusterIP === HEADLESS ? named(host, port) : { endpoints: [], names: false }
}

function named(
  address: string,
  port: KubernetesServicePort,
): { readonly endpoints: readonly EndpointPlan[]; readonly names: boolean } {
  const number = typeof port.targetPort === 'number' ? port.targetPort : (port.port ?? 0)
  const endpoint = { address, port: number, weight: 1, ...NO_TRAITS }
  return { endpoints: [endpoint], names: isIP(address) === 0 }
}

function carriesTcp(port: KubernetesServicePort): boolean {
  return port.protocol === undefined || port.protocol.toUpperCase() === 'TCP'
}

function clusterAddresses(spec: ServiceSpec): readonly string[] {
  const all = spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP])
  return all.filter((address) => isIP(address) !== 0)
}

import { isIP } from 'node:net'
import type { EndpointPlan } from '../../clusters/plan.ts'
import type { ServiceEntrySpec } from '../../config/kinds/service-entry.ts'
import type { WorkloadEntrySpec } from '../../config/kinds/workload-entry.ts'
import type { Resource } from '../../config/resource.ts'
import { EndpointList } from './endpoint-list.ts'
import { socketPath } from './kubernetes-endpoints.ts'
import type { MeshService, MeshServicePort, ServiceDiscovery } from './mesh-service.ts'
import { labelledLocality } from './locality-labels.ts'
import { declaredProtocol } from './port-protocol.ts'
import { preference } from './traffic-distribution.ts'
import {
  accountTraits,
  entryTraits,
  NO_TRAITS,
  type Workloads,
  type WorkloadTraits,
} from './workloads.ts'

type ServiceEntryPort = NonNullable<ServiceEntrySpec['ports']>[number]

/**
 * Annotation of a ServiceEntry: TLS server names, with commas, that tunnels to its hosts may ask for
 * besides these; `*` for any.
 */
const SERVER_NAMES = 'tidegate.dev/egress-server-names'

/** One service per host of a ServiceEntry. */
export function serviceEntryServices(
  entry: Resource<ServiceEntrySpec>,
  workloads: Workloads,
): readonly MeshService[] {
  return (entry.spec.hosts ?? []).map((written) => {
    const host = written.toLowerCase()
    const ports = new Map<number, MeshServicePort>()
    for (const port of entry.spec.ports ?? []) {
      if (port.number === undefined || ports.has(port.number)) continue
      ports.set(port.number, {
        number: port.number,
        name: port.name ?? '',
        protocol: declaredProtocol(port.protocol),
        endpoints: endpointsOf(entry, host, port, workloads),
      })
    }
    return {
      host,
      namespace: entry.metadata.namespace,
      name: host,
      source: entry,
      ports,
      discovery: discoveryOf(entry.spec, ports),
      addresses: entry.spec.addresses ?? [],
      subjectAltNames: entry.spec.subjectAltNames ?? [],
      serverNames: serverNames(entry),
      isDynamic: entry.spec.resolution === 'DYNAMIC_DNS',
      ...preference(entry),
    }
  })
}

/** The hosts that are declared together, and what the annotation adds; null: any name. */
function serverNames(entry: Resource<ServiceEntrySpec>): readonly string[] | null {
  const written = entry.metadata.annotations[SERVER_NAMES]?.toLowerCase() ?? ''
  const added = written.split(',').map((name) => name.trim())
  if (added.includes('*')) return null
  const hosts = (entry.spec.hosts ?? []).map((host) => host.toLowerCase())
  return [...hosts, ...added.filter((name) => name !== '')]
}

function discoveryOf(
  spec: ServiceEntrySpec,
  ports: ReadonlyMap<number, MeshServicePort>,
): ServiceDiscovery {
  switch (spec.resolution) {
    case 'STATIC':
      return 'static'
    case 'DNS':
    case 'DNS_ROUND_ROBIN': {
      const addresses = [...ports.values()].flatMap((port) => port.endpoints)
      if (addresses.length > 0 && addresses.every(({ address }) => isIP(address) !== 0))
        return 'static'
      return spec.resolution === 'DNS' ? 'dns' : 'dns-round-robin'
    }
    default:
      return 'passthrough'
  }
}

function endpointsOf(
  entry: Resource<ServiceEntrySpec>,
  host: string,
  port: ServiceEntryPort,
  workloads: Workloads,
): readonly EndpointPlan[] {
  const { resolution = 'NONE', endpoints = [], workloadSelector } = entry.spec
  if (resolution === 'NONE' || resolution === 'DYNAMIC_DNS') return []
  const list = new EndpointList()
  for (const endpoint of endpoints) {
    const labels = endpoint.labels ?? {}
    const traits = {
      labels,
      locality: endpoint.locality ?? labelledLocality(labels),
      ...accountTraits(entry.metadata.namespace, endpoint.serviceAccount),
    }
    addEndpoint(list, endpoint, port, traits)
  }
  if (workloadSelector?.labels !== undefined) {
    const { namespace } = entry.metadata
    for (const workload of workloads.entries(workloadSelector.labels, namespace)) {
      addEndpoint(list, workload.spec, port, entryTraits(workload))
    }
    for (const pod of workloads.readyPods(workloadSelector.labels, namespace)) {
      const address = pod.spec.status?.podIP
      if (address !== undefined) list.add(address, servicePort(port), 1, workloads.podTraits(pod))
    }
  } else if (endpoints.length === 0 && resolution !== 'STATIC') {
    list.add(host, servicePort(port), 1, NO_TRAITS)
  }
  return list.list()
}

/** Port of an endpoint: unix path > its own `ports` map > targetPort > number. */
function addEndpoint(
  list: EndpointList,
  workload: WorkloadEntrySpec,
  port: ServiceEntryPort,
  traits: WorkloadTraits,
): void {
  const { address, ports = {}, weight = 1 } = workload
  if (address === undefined || address === '') return
  if (address.startsWith('unix://')) {
    list.add(socketPath(address), 0, weight, traits)
    return
  }
  list.add(address, ports[port.name ?? ''] ?? servicePort(port), weight, traits)
}

function servicePort(port: ServiceEntryPort): number {
  return port.targetPort ?? port.number ?? 0
}

import { isIP } from 'node:net'
import type { NodeBody, ServiceSpec, ServiceStatus } from '../config/kinds/kubernetes.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { Resource } from '../config/resource.ts'
import { selects } from '../compile/labels.ts'

/** Where clients outside reach a gateway, and who says so. */
export interface ExternalAddresses {
  /** IP addresses, or host names when there is no IP address. Never empty. */
  readonly values: readonly string[]
  /** `Service istio-system/istio-ingressgateway status.loadBalancer` */
  readonly from: string
  /** Gateway port -> the port clients have to name, where it is another one. */
  readonly nodePorts: ReadonlyMap<number, number>
}

/** Why there is no address yet. */
export interface NoAddress {
  readonly state: 'pending-load-balancer' | 'cluster-only' | 'node-addresses-unknown'
  readonly reason: string
}

/** `Service istio-system/istio-ingressgateway` */
export function serviceName({ metadata }: Resource<ServiceSpec>): string {
  return `Service ${metadata.namespace}/${metadata.name}`
}

/**
 * Where a Service can be reached from outside the cluster: what its load balancer was given, its
 * externalIPs, the nodes of a hostNetwork Pod behind it, else node ports with node addresses.
 */
export function externalAddresses(
  service: Resource<ServiceSpec>,
  set: ResourceSet,
): ExternalAddresses | NoAddress {
  const name = serviceName(service)
  const { type = 'ClusterIP', externalIPs = [] } = service.spec
  const given = loadBalancerValues(service)
  if (given.length > 0) {
    return { values: given, from: `${name} status.loadBalancer.ingress`, nodePorts: NO_PORTS }
  }
  if (externalIPs.length > 0) {
    return { values: externalIPs, from: `${name} spec.externalIPs`, nodePorts: NO_PORTS }
  }
  const hostNetwork = hostNetworkAddresses(service, set)
  if (hostNetwork.length > 0) {
    return { values: hostNetwork, from: `hostNetwork Pods of ${name}`, nodePorts: NO_PORTS }
  }
  if (type === 'LoadBalancer') {
    const reason = `no load balancer has assigned an address: ${name} is of type LoadBalancer and its status.loadBalancer is empty`
    return { state: 'pending-load-balancer', reason }
  }
  if (type !== 'NodePort') {
    const reason = `${name} is of type ${type}: its address exists inside the cluster only`
    return { state: 'cluster-only', reason }
  }
  const nodes = nodeAddresses(set.nodes)
  if (nodes.length > 0) {
    return { values: nodes, from: `node ports of ${name}`, nodePorts: nodePortsOf(service.spec) }
  }
  const reason = `${name} is of type NodePort, and no Node with an address is in the configuration`
  return { state: 'node-addresses-unknown', reason }
}

const NO_PORTS: ReadonlyMap<number, number> = new Map()

/** IP addresses of `status.loadBalancer.ingress`; its host names where it has no IP address. */
function loadBalancerValues(service: Resource<ServiceSpec>): readonly string[] {
  // Its shape was checked when it was read.
  const status = service.status as ServiceStatus | undefined
  const ingress = status?.loadBalancer?.ingress ?? []
  const addresses = ingress.flatMap(({ ip = '' }) => (isIP(ip) === 0 ? [] : [ip]))
  if (addresses.length > 0) return unique(addresses)
  return unique(ingress.flatMap(({ hostname = '' }) => (hostname === '' ? [] : [hostname])))
}

function nodePortsOf({ ports = [] }: ServiceSpec): ReadonlyMap<number, number> {
  return new Map(
    ports.flatMap(({ port, nodePort }) =>
      port === undefined || nodePort === undefined ? [] : [[port, nodePort] as const],
    ),
  )
}

/** A Pod on its node's network is reached at the node; only where every Pod of the Service is one. */
function hostNetworkAddresses(service: Resource<ServiceSpec>, set: ResourceSet): readonly string[] {
  const { selector = {} } = service.spec
  if (Object.keys(selector).length === 0) return []
  const pods = set.pods.filter(
    ({ metadata }) =>
      metadata.namespace === service.metadata.namespace && selects(selector, metadata.labels),
  )
  if (pods.length === 0 || pods.some(({ spec }) => spec.spec?.hostNetwork !== true)) return []
  const addresses = pods.flatMap(({ spec }) => {
    const node = set.nodes.filter(({ metadata }) => metadata.name === spec.spec?.nodeName)
    const known = nodeAddresses(node)
    const own = spec.status?.podIP
    return known.length > 0 ? known : own === undefined ? [] : [own]
  })
  return unique(addresses)
}

/** ExternalIP addresses of nodes; InternalIP ones where no node has any. */
function nodeAddresses(nodes: readonly Resource<NodeBody>[]): readonly string[] {
  const all = nodes.flatMap(({ spec }) => spec.status?.addresses ?? [])
  for (const wanted of ['ExternalIP', 'InternalIP']) {
    const found = all.flatMap(({ type, address = '' }) =>
      type === wanted && isIP(address) !== 0 ? [address] : [],
    )
    if (found.length > 0) return unique(found)
  }
  return []
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)]
}

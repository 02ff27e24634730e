import { isIP } from 'node:net'
import type { CompileSettings } from '../compile/compile-input.ts'
import type { GatewaySpec } from '../config/kinds/gateway.ts'
import type { ServiceSpec } from '../config/kinds/kubernetes.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { Resource } from '../config/resource.ts'
import { type ExternalAddresses, externalAddresses, serviceName } from './dns-addresses.ts'
import { type GatewayHost, gatewayHosts } from './dns-hosts.ts'
import { gatewayServices } from './dns-services.ts'

/** A record to create in the zone of its name. */
export interface DnsRecord {
  /** Without trailing dot; `*.shop.example.com` for a wildcard. */
  readonly name: string
  readonly type: 'A' | 'AAAA' | 'CNAME'
  readonly value: string
}

export type DnsHostState =
  | 'ready'
  | 'pending-load-balancer'
  | 'cluster-only'
  | 'node-addresses-unknown'
  | 'no-service'
  | 'no-labels'
  | 'not-served'

/** One host of one Gateway, and what DNS has to say about it. */
export interface DnsHost {
  /** As clients name it; `*` where a server takes any name and no VirtualService says which. */
  readonly host: string
  /** `namespace/name` */
  readonly gateway: string
  /** Gateway server ports, ascending. */
  readonly ports: readonly number[]
  readonly state: DnsHostState
  readonly records: readonly DnsRecord[]
  /** Who says the value, or null. */
  readonly from: string | null
  /** Why there is no value, or null. */
  readonly reason: string | null
  /** What to mind beside the records. */
  readonly notes: readonly string[]
  readonly file: string | null
  readonly line: number | null
}

export interface DnsReport {
  /** Every host of a Gateway that is served has a value, and there is one at least. */
  readonly complete: boolean
  readonly hosts: readonly DnsHost[]
  /** The ways to an address, where one is missing. */
  readonly waysOut: readonly string[]
}

export interface DnsReportInput {
  readonly set: ResourceSet
  readonly settings: CompileSettings
  /** Addresses or one host name that clients are to use, whatever the Services say. */
  readonly advertise: readonly string[]
}

/** For each Gateway host the records to create, or why there is no value for them yet. */
export function dnsReport(input: DnsReportInput): DnsReport {
  const hosts = input.set.gateways.flatMap((gateway) => hostsOf(gateway, input))
  const served = hosts.filter(({ state }) => state !== 'not-served')
  const complete = served.length > 0 && served.every(({ state }) => state === 'ready')
  const lacking = served.some(({ state }) => state !== 'ready')
  return { complete, hosts, waysOut: lacking ? WAYS_OUT : [] }
}

/** A Pod's address is never the value: it changes, and nobody outside the cluster reaches it. */
const WAYS_OUT: readonly string[] = [
  "give the cluster something that hands out addresses: a cloud's load balancer, MetalLB or kube-vip, for a Service of type LoadBalancer that selects the gateway's Pods",
  'use node ports: a Service of type NodePort, records that point at the nodes, and clients that name the port',
  "take the machines' own addresses: hostNetwork for the gateway's Pods or spec.externalIPs on the Service; --advertise ADDRESS says such an address, or that of a balancer of your own",
]

function hostsOf(gateway: Resource<GatewaySpec>, input: DnsReportInput): readonly DnsHost[] {
  const found = valuesFor(gateway, input)
  const { namespace, name } = gateway.metadata
  return gatewayHosts(gateway, input.set).map((one) => {
    const { host, ports, path } = one
    const place = {
      file: gateway.location.file,
      line: gateway.location.lineOf(path),
    }
    const shared = { host, gateway: `${namespace}/${name}`, ports, ...place }
    if ('reason' in found) {
      return { ...shared, ...found, records: [], from: null, notes: [] }
    }
    const { from } = found.addresses
    const notes = notesOf(one, found)
    const records = host === '*' ? [] : recordsOf(host, found.addresses.values)
    return { ...shared, state: 'ready', records, from, reason: null, notes }
  })
}

interface FoundValues {
  readonly addresses: ExternalAddresses
  /** null: the address was given by flag. */
  readonly service: Resource<ServiceSpec> | null
}

interface MissingValues {
  readonly state: Exclude<DnsHostState, 'ready'>
  readonly reason: string
}

function valuesFor(
  gateway: Resource<GatewaySpec>,
  { set, settings, advertise }: DnsReportInput,
): FoundValues | MissingValues {
  const found = gatewayServices(gateway, set, settings)
  if ('state' in found && found.state === 'not-served') return found
  if (advertise.length > 0) {
    const values = preferAddresses(advertise)
    const addresses = { values, from: '--advertise', nodePorts: new Map<number, number>() }
    return { addresses, service: null }
  }
  if ('state' in found) return found
  const answers = byServerPort(found.services, gateway).map((service) => ({
    service,
    answer: externalAddresses(service, set),
  }))
  const reasons: MissingValues[] = []
  for (const { service, answer } of answers) {
    if ('values' in answer) return { addresses: answer, service }
    reasons.push(answer)
  }
  const pending = reasons.find(({ state }) => state !== 'cluster-only') ?? reasons[0]
  return pending ?? { state: 'no-service', reason: 'no Service leads to the Gateway' }
}

/** Services that have the Gateway's ports come first. */
function byServerPort(
  services: readonly Resource<ServiceSpec>[],
  gateway: Resource<GatewaySpec>,
): readonly Resource<ServiceSpec>[] {
  const wanted = (gateway.spec.servers ?? []).map((server) => server.port?.number)
  const has = ({ spec }: Resource<ServiceSpec>): number =>
    (spec.ports ?? []).filter(({ port }) => wanted.includes(port)).length
  return services.toSorted((a, b) => has(b) - has(a))
}

/** A CNAME stands alone under its name (RFC 1034 3.6.2), so addresses win over host names. */
function preferAddresses(values: readonly string[]): readonly string[] {
  const addresses = values.filter((value) => isIP(value) !== 0)
  return addresses.length > 0 ? addresses : values.slice(0, 1)
}

function recordsOf(name: string, values: readonly string[]): readonly DnsRecord[] {
  // A name is no alias of itself.
  const others = preferAddresses(values).filter((value) => value !== name)
  return others.map((value) => {
    const family = isIP(value)
    return { name, type: family === 0 ? 'CNAME' : family === 4 ? 'A' : 'AAAA', value }
  })
}

function notesOf(
  { host, ports }: GatewayHost,
  { addresses, service }: FoundValues,
): readonly string[] {
  const notes: string[] = []
  const { values, nodePorts } = addresses
  if (host === '*') {
    const where = values.join(', ')
    notes.push(`any name is taken: point those you use at ${where}, by hand`)
  }
  if (host.startsWith('*.')) {
    notes.push(`the wildcard record does not stand for ${host.slice(2)} itself`)
  }
  if (values.every((value) => isIP(value) === 0) && host.split('.').length === 2) {
    notes.push(
      `where ${host} is the apex of its zone a CNAME is not allowed: use your provider's ALIAS or ANAME`,
    )
  }
  if (values.includes(host)) {
    notes.push(`${host} is the host name that clients use already: nothing to create`)
  }
  for (const port of ports) {
    const nodePort = nodePorts.get(port)
    if (nodePort !== undefined) notes.push(`clients name port ${nodePort} for Gateway port ${port}`)
    const known = service?.spec.ports?.some((one) => one.port === port) ?? true
    if (service !== null && !known) {
      notes.push(`${serviceName(service)} has no port ${port}: clients do not reach it there`)
    }
  }
  return notes
}

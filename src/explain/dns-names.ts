import { isIP } from 'node:net'
import { withDefaultExports } from '../compile/default-exports.ts'
import { visibleInOrder } from '../compile/visibility.ts'
import type { CompileSettings } from '../compile/compile-input.ts'
import type { ServiceSpec } from '../config/kinds/kubernetes.ts'
import type { ServiceEntrySpec } from '../config/kinds/service-entry.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { Resource } from '../config/resource.ts'
import type { DnsHost } from './dns-records.ts'

/** A name that the configuration gives addresses to. */
export interface DnsName {
  /** Lower case: `web.shop.svc.cluster.local`, `*.example.com`. */
  readonly pattern: string
  /** IP addresses. */
  readonly addresses: readonly string[]
  /** The name it is a CNAME of, or null. */
  readonly alias: string | null
  /** Addresses are to be made up for it: a ServiceEntry without any. */
  readonly auto: boolean
}

/** Istio's label of a ServiceEntry whose hosts are to get no address of their own. */
const AUTO_LABEL = 'networking.istio.io/enable-autoallocate-ip'

/**
 * Names with addresses of their own: Services by clusterIP, ServiceEntry hosts, Gateway hosts, in
 * this order; of several entries for one name the first counts. Everything else (headless and
 * ExternalName Services, resolution NONE without addresses) is left to the name servers.
 */
export function dnsNames(
  set: ResourceSet,
  settings: CompileSettings,
  gatewayHosts: readonly DnsHost[],
): readonly DnsName[] {
  const { serviceEntries } = withDefaultExports(set, settings.mesh)
  return [
    ...set.services.flatMap((service) => serviceName(service, settings.domain)),
    ...visibleInOrder(serviceEntries, settings.namespace).flatMap(entryNames),
    ...gatewayHosts.flatMap(gatewayName),
  ]
}

function serviceName(
  { metadata, spec }: Resource<ServiceSpec>,
  domain: string,
): readonly DnsName[] {
  const all = spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP])
  const addresses = all.filter((address) => isIP(address) !== 0)
  if (addresses.length === 0) return []
  const pattern = `${metadata.name}.${metadata.namespace}.svc.${domain}`.toLowerCase()
  return [{ pattern, addresses, alias: null, auto: false }]
}

function entryNames({ metadata, spec }: Resource<ServiceEntrySpec>): readonly DnsName[] {
  const addresses = (spec.addresses ?? []).flatMap(singleAddress)
  const { resolution = 'NONE' } = spec
  const allocates =
    (spec.addresses ?? []).length === 0 &&
    resolution !== 'NONE' &&
    resolution !== 'DYNAMIC_DNS' &&
    metadata.labels[AUTO_LABEL] !== 'false'
  return (spec.hosts ?? []).flatMap((written) => {
    const pattern = written.toLowerCase()
    const auto = allocates && !pattern.startsWith('*')
    if (isIP(pattern) !== 0 || (addresses.length === 0 && !auto)) return []
    return [{ pattern, addresses, alias: null, auto }]
  })
}

/** A block of addresses is no answer; one that holds a single address is. */
function singleAddress(text: string): readonly string[] {
  const [address = '', prefix] = text.split('/')
  const family = isIP(address)
  if (family === 0 || UNSPECIFIED.has(address)) return []
  return prefix === undefined || prefix === (family === 4 ? '32' : '128') ? [address] : []
}

const UNSPECIFIED: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

function gatewayName({ host, records }: DnsHost): readonly DnsName[] {
  const [first] = records
  if (first === undefined) return []
  if (first.type === 'CNAME') {
    return [{ pattern: host, addresses: [], alias: first.value.toLowerCase(), auto: false }]
  }
  return [{ pattern: host, addresses: records.map(({ value }) => value), alias: null, auto: false }]
}

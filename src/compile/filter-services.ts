import { isIP } from 'node:net'
import type { ServiceAddress } from '../filters/filter.ts'
import { isJsonObject, type JsonObject } from './envoy-filters-canonical.ts'
import type { DestinationRules } from './policy/destination-rules.ts'
import { effectivePolicy } from './policy/traffic-policy.ts'
import { selects } from './labels.ts'
import type { ServiceRegistry } from './registry/service-registry.ts'

/** Where services are that filters ask themselves, such as a rate limit service. */
export class FilterServices {
  readonly #registry: ServiceRegistry
  readonly #rules: DestinationRules

  constructor(registry: ServiceRegistry, rules: DestinationRules) {
    this.#registry = registry
    this.#rules = rules
  }

  /** By Istio's cluster name; a string says why it cannot be asked. */
  find(clusterName: string): readonly ServiceAddress[] | string {
    const match = /^outbound\|(\d+)\|([^|]*)\|([^|]+)$/.exec(clusterName)
    if (match === null) return `no cluster "${clusterName}" is known`
    const [, portText, subsetName = '', host = ''] = match
    const service = this.#registry.find(host)
    if (service === null) return `no Service or ServiceEntry has the host ${host}`
    const number = Number(portText)
    const port = service.ports.get(number)
    if (port === undefined) {
      return `${host} has no port ${number}, but ${[...service.ports.keys()].join(', ')}`
    }
    const rule = this.#rules.find(service.host, service.namespace)
    const subset = subsetName === '' ? null : (rule?.subsets.get(subsetName) ?? null)
    if (subset === null && subsetName !== '') return `${host} has no subset ${subsetName}`
    const tls = effectivePolicy(rule, subset, number).tls?.spec.mode ?? 'DISABLE'
    if (tls !== 'DISABLE' || (rule !== null && rule.withheld !== null)) {
      return `the DestinationRule of ${host} asks for TLS, which filters do not speak`
    }
    const endpoints = port.endpoints.filter(
      ({ labels }) => subset === null || selects(subset.labels, labels),
    )
    // Unix sockets have no port.
    const places = endpoints.filter((endpoint) => endpoint.port > 0)
    if (places.length > 0)
      return places.map(({ address, port: at }) => ({ host: address, port: at }))
    // The cluster's DNS knows what the set does not tell.
    if (service.source?.kind === 'Service') return [{ host: service.host, port: number }]
    return `${host} has no endpoints`
  }
}

/**
 * The endpoints of a cluster that an EnvoyFilter adds (Envoy Cluster.load_assignment); a string says
 * what is wrong.
 */
export function addedCluster(cluster: JsonObject): readonly ServiceAddress[] | string {
  const name = String(cluster['name'])
  if (cluster['transportSocket'] !== undefined) {
    return `cluster "${name}" has a transport_socket, and filters speak no TLS`
  }
  const addresses: ServiceAddress[] = []
  for (const locality of listOf(objectOf(cluster['loadAssignment']), 'endpoints')) {
    for (const item of listOf(locality, 'lbEndpoints')) {
      const socket = objectOf(objectOf(objectOf(item['endpoint'])?.['address'])?.['socketAddress'])
      const host = socket?.['address']
      const port = Number(socket?.['portValue'])
      if (typeof host !== 'string' || !isHost(host) || !Number.isInteger(port)) {
        return `cluster "${name}" has an endpoint without address and port_value`
      }
      if (port < 1 || port > 65_535) return `cluster "${name}" has an endpoint on port ${port}`
      addresses.push({ host, port })
    }
  }
  return addresses.length === 0 ? `cluster "${name}" has no endpoints` : addresses
}

function isHost(text: string): boolean {
  return isIP(text) !== 0 || /^[\w-]+(?:\.[\w-]+)*\.?$/.test(text)
}

function objectOf(value: unknown): JsonObject | undefined {
  return isJsonObject(value) ? value : undefined
}

function listOf(value: JsonObject | undefined, field: string): readonly JsonObject[] {
  const list = value?.[field]
  return Array.isArray(list) ? list.filter(isJsonObject) : []
}

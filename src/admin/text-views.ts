import type { ClusterDescription, EndpointDescription } from '../clusters/description.ts'
import type { BoundListener } from './admin-state.ts'

/** `name::address`, one line for each address. */
export function listenersText(listeners: readonly BoundListener[]): string {
  return listeners
    .flatMap(({ name, addresses }) => addresses.map((address) => `${name}::${address}\n`))
    .join('')
}

/** Envoy's lines: `cluster::key::value` and `cluster::address::key::value`. */
export function clustersText(clusters: readonly ClusterDescription[]): string {
  const lines: string[] = []
  for (const cluster of clusters) {
    const { name } = cluster
    lines.push(`${name}::policy::${cluster.policy}`, `${name}::panic::${cluster.panic}`)
    if (cluster.retired) lines.push(`${name}::retired::true`)
    if (cluster.tlsProblem !== '') lines.push(`${name}::tls_problem::${cluster.tlsProblem}`)
    for (const failure of cluster.dnsFailures) lines.push(`${name}::dns_failure::${failure}`)
    for (const [counter, value] of Object.entries(cluster.counters)) {
      lines.push(`${name}::${counter}::${value}`)
    }
    for (const endpoint of cluster.endpoints) {
      const prefix = `${name}::${endpoint.address}`
      const flags = healthFlags(endpoint)
      lines.push(`${prefix}::health_flags::${flags}`, `${prefix}::weight::${endpoint.weight}`)
      lines.push(...placementLines(prefix, endpoint))
      lines.push(`${prefix}::cx_active::${endpoint.activeConnections}`)
      lines.push(`${prefix}::rq_active::${endpoint.activeRequests}`)
      if (endpoint.healthCheckFailure !== '') {
        lines.push(`${prefix}::health_check_failure::${endpoint.healthCheckFailure}`)
      }
      if (endpoint.lastConnectFailure !== '') {
        lines.push(`${prefix}::last_connect_failure::${endpoint.lastConnectFailure}`)
      }
      for (const [counter, value] of Object.entries(endpoint.counters)) {
        lines.push(`${prefix}::${counter}::${value}`)
      }
    }
  }
  return lines.map((line) => `${line.replace(/[\r\n]/g, ' ')}\n`).join('')
}

/** As Envoy writes locality and priority; and when an ejected endpoint may return. */
function placementLines(prefix: string, endpoint: EndpointDescription): readonly string[] {
  const [region = '', zone = '', subzone = ''] = endpoint.locality.split('/')
  const lines = [`${prefix}::region::${region}`, `${prefix}::zone::${zone}`]
  lines.push(`${prefix}::sub_zone::${subzone}`, `${prefix}::priority::${endpoint.priority ?? 0}`)
  if (endpoint.health === 'ejected') lines.push(`${prefix}::returns_in_ms::${endpoint.returnsInMs}`)
  return lines
}

/** Envoy's words for why an endpoint gets no requests. */
function healthFlags({ health, healthCheck }: EndpointDescription): string {
  const checked = health === 'unhealthy' || healthCheck === 'unhealthy'
  const flags = checked
    ? healthCheck === 'pending'
      ? '/pending_active_hc'
      : '/failed_active_hc'
    : ''
  return `${flags}${health === 'ejected' ? '/failed_outlier_check' : ''}` || 'healthy'
}

/**
 * Sample lines of a Prometheus exposition that hold the words of `filter` in order; words are
 * parted by `.*` or `*`. Not a regular expression: one would let a caller stall the gateway.
 */
export function filterStats(exposition: string, filter: string | null): string {
  const words = (filter ?? '').split(/\.?\*/).filter((word) => word !== '')
  return exposition
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && holdsInOrder(line, words))
    .map((line) => `${line}\n`)
    .join('')
}

function holdsInOrder(line: string, words: readonly string[]): boolean {
  let from = 0
  for (const word of words) {
    const at = line.indexOf(word, from)
    if (at === -1) return false
    from = at + word.length
  }
  return true
}

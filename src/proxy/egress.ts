import { isIP } from 'node:net'
import { pickWeighted } from '../base/weighted-pick.ts'
import { splitHostPort } from '../base/host-port.ts'
import type { ClusterPlan } from '../clusters/plan.ts'
import type { DownstreamExchange } from '../http/exchange.ts'
import { Headers } from '../http/headers.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import type { EgressPlan, TunnelRule } from '../snapshot/egress-plan.ts'
import { PASSTHROUGH, refuseEgress } from './egress-refusal.ts'
import { Exchange } from './exchange.ts'
import { takeRoute } from './filter-chain.ts'
import { ownForwardedHeaders } from './forwarded-headers.ts'
import { sendLocalReply } from './local-reply.ts'
import { redirectUnescaped } from './path-redirect.ts'
import type { ProxyRuntime } from './runtime.ts'

const HTTP_PORT = 80
const HTTPS_PORT = 443

/**
 * An exchange on the egress proxy: absolute-form (or redirected origin-form) requests are routed by
 * host and port like a sidecar would; CONNECT opens a tunnel to the cluster of that host and port.
 */
export function handleEgress(runtime: ProxyRuntime, downstream: DownstreamExchange): void {
  const request = downstream.request
  const { host, port } = splitHostPort(request.authority)
  const connect = request.method === 'CONNECT'
  const asked = port ?? (connect ? HTTPS_PORT : HTTP_PORT)
  const exchange = new Exchange(runtime, downstream, 'egress', asked)
  exchange.destinationHost = `${host}:${asked}`
  const client = ownForwardedHeaders(
    request,
    exchange.connection,
    exchange.mesh,
    exchange.direction,
  )
  exchange.clientAddress = client.clientAddress
  exchange.requestId = client.requestId
  request.headers.remove('proxy-authorization')
  if (request.redirects) {
    redirectUnescaped(exchange)
    return
  }
  const plan = runtime.snapshot.egress
  if (connect) {
    connectTo(exchange, plan, host, asked)
    return
  }
  if (request.upgrade !== null && request.upgrade !== 'websocket') {
    downstream.closeAfter()
    sendLocalReply(exchange, 403, new Headers(), '', '', 'upgrade_failed')
    return
  }
  const known = knownHost(plan, host, asked)
  exchange.declared = known !== null
  exchange.declaredByName = known !== null && !known.name.startsWith('*')
  const virtualHost = known ?? plan.unknownHost
  const route = virtualHost.route(request)
  if (route === null) {
    sendLocalReply(exchange, 404, new Headers(), '', 'NR', 'route_not_found')
    return
  }
  takeRoute(exchange, route)
}

function knownHost(plan: EgressPlan, host: string, port: number): VirtualHost | null {
  const table = plan.http.get(port)
  const found = table === undefined ? null : table.find(host)
  if (found !== null || isIP(host) === 0) return found
  for (const entry of plan.addresses) {
    if (entry.port === port && entry.virtualHost !== null && entry.cidr.contains(host)) {
      return entry.virtualHost
    }
  }
  return null
}

/** Where a CONNECT goes: a cluster, the asked place itself (declared), or null: nobody declared it. */
interface TunnelTarget {
  readonly name: string
  readonly cluster: ClusterPlan | null
  /** The declaration names a destination that does not exist. */
  readonly missing: boolean
  /** Declared by a wildcard: the address it resolves to is judged as for an undeclared host. */
  readonly guarded: boolean
}

function knownTunnel(
  exchange: Exchange,
  plan: EgressPlan,
  host: string,
  port: number,
): TunnelTarget | null {
  const rules = plan.tunnelRules.get(port)
  const rule = rules === undefined ? null : rules.find(host)
  if (rule !== null) return pickedTunnel(exchange, rule)
  const table = plan.tunnels.get(port)
  const found = table === undefined ? null : table.find(host)
  if (found !== null) return { name: found.name, cluster: found, missing: false, guarded: false }
  if (isIP(host) === 0) return null
  for (const entry of plan.addresses) {
    if (entry.port !== port || !entry.cidr.contains(host)) continue
    const name = entry.cluster === null ? PASSTHROUGH : entry.cluster.name
    return { name, cluster: entry.cluster, missing: false, guarded: false }
  }
  return null
}

function pickedTunnel(exchange: Exchange, rule: TunnelRule): TunnelTarget {
  if (rule.destinations.length === 0) {
    return { name: rule.name, cluster: null, missing: false, guarded: rule.name.includes('*') }
  }
  const index = pickWeighted(rule.cumulativeWeights, exchange.runtime.random())
  const { clusterName, cluster } = rule.destinations[index]!
  return { name: clusterName, cluster, missing: cluster === null, guarded: false }
}

function connectTo(exchange: Exchange, plan: EgressPlan, host: string, port: number): void {
  // HTTP/1.1 holds back what follows the head until the tunnel opens; HTTP/2 does not.
  if (exchange.request.protocol === 'HTTP/2') exchange.downstream.pauseRequestBody()
  const known = knownTunnel(exchange, plan, host, port)
  if (known === null && plan.policy === 'REGISTRY_ONLY') {
    refuseEgress(exchange, host)
    return
  }
  const { passthrough, declaredPassthrough } = exchange.runtime
  if (known === null) {
    exchange.route = plan.unknownHost.routes[0] ?? null
    exchange.clusterLabel = PASSTHROUGH
    exchange.attempt = passthrough.startTunnel(host, port, exchange)
    return
  }
  exchange.clusterLabel = known.name
  exchange.cluster = known.cluster
  const cluster = exchange.runtimeCluster
  if (known.missing || (known.cluster !== null && cluster === null)) {
    sendLocalReply(exchange, 503, new Headers(), '', 'NC', 'cluster_not_found')
    return
  }
  exchange.attempt =
    cluster === null
      ? (known.guarded ? passthrough : declaredPassthrough).startTunnel(host, port, exchange)
      : cluster.startTunnel(exchange, exchange)
}

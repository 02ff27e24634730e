import { pickWeighted } from '../base/weighted-pick.ts'
import type { ClusterPlan } from '../clusters/plan.ts'
import { Headers } from '../http/headers.ts'
import type { EgressPlan } from '../snapshot/egress-plan.ts'
import { canonicalAddress } from '../upstream/canonical-address.ts'
import { passesUndeclared, refuseHidden, undeclaredHost, visibleTunnel } from './egress-access.ts'
import { isTunnelPort, type KnownTunnel, knownTunnel } from './egress-decision.ts'
import type { EgressExchange } from './egress-exchange.ts'
import { connectThroughParent } from './egress-parent.ts'
import { PASSTHROUGH, refuseEgress, refusePort, refuseTunnelCount } from './egress-refusal.ts'
import { wayOf } from './egress-way.ts'
import type { Exchange } from './exchange.ts'
import { sendLocalReply } from './local-reply.ts'
import { type TunnelNames, TunnelWatch } from './tunnel-watch.ts'

/** The tunnel one exchange takes: of a split, one destination. */
interface TunnelTarget {
  readonly name: string
  /** null: the place asked for. */
  readonly cluster: ClusterPlan | null
  /** The declaration names a destination that does not exist. */
  readonly missing: boolean
  readonly guarded: boolean
}

function pickTunnel(exchange: Exchange, known: KnownTunnel): TunnelTarget {
  const { name, cluster, rule, guarded } = known
  if (rule === null) return { name, cluster, missing: false, guarded }
  const index = pickWeighted(rule.cumulativeWeights, exchange.runtime.random())
  const picked = rule.destinations[index]!
  return {
    name: picked.clusterName,
    cluster: picked.cluster,
    missing: picked.cluster === null,
    guarded,
  }
}

/** CONNECT, whichever way it was asked for: policy, limits, then the tunnel or why there is none. */
export function connectTo(
  exchange: EgressExchange,
  plan: EgressPlan,
  host: string,
  port: number,
): void {
  // HTTP/1.1 holds back what follows the head until the tunnel opens; HTTP/2 does not.
  if (exchange.request.protocol === 'HTTP/2') exchange.downstream.pauseRequestBody()
  const declared = visibleTunnel(exchange, knownTunnel(exchange.tables, host, port))
  exchange.declared = declared !== null
  if (declared === null && !passesUndeclared(exchange)) {
    if (!refuseHidden(exchange)) refuseEgress(exchange, host)
    return
  }
  const { egressTunnels } = exchange.mesh.connections
  if (declared === null && !isTunnelPort(port, egressTunnels.connectPorts)) {
    refusePort(exchange)
    return
  }
  if (!watchTunnel(exchange, declared, host)) return
  const { passthrough, declaredPassthrough } = exchange.runtime
  if (declared === null && plan.parent !== null) {
    connectThroughParent(exchange, host, port)
    return
  }
  if (declared === null) {
    exchange.route = undeclaredHost(exchange).routes[0] ?? null
    exchange.clusterLabel = PASSTHROUGH
    exchange.attempt = passthrough.startTunnel(host, port, exchange)
    return
  }
  const known = pickTunnel(exchange, declared)
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

/** Counts the tunnel for its client and says what it may carry. False: it is answered already. */
function watchTunnel(
  exchange: EgressExchange,
  declared: KnownTunnel | null,
  host: string,
): boolean {
  const { perClient, serverName } = exchange.mesh.connections.egressTunnels
  const way = wayOf(exchange.connection)
  const client = way === null ? exchange.connection.remoteAddress : way.client
  const { tunnelCounts } = exchange.runtime
  if (!tunnelCounts.enter(client, perClient)) {
    refuseTunnelCount(exchange)
    return false
  }
  const names = serverName === 'any' ? null : namesOf(declared, host)
  exchange.tunnelWatch = new TunnelWatch(exchange, client, names)
  return true
}

/** null: any. An address says nothing of the name, unless its declaration does. */
function namesOf(declared: KnownTunnel | null, host: string): TunnelNames | null {
  const others = declared === null ? null : declared.serverNames
  if (others !== null) return { host, others }
  return declared !== null || canonicalAddress(host) !== null ? null : { host, others: null }
}

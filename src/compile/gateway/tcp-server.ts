import { cumulativeWeights } from '../../base/weighted-pick.ts'
import type { TcpRouteSpec } from '../../config/kinds/virtual-service.ts'
import type { TcpServerPlan } from '../../snapshot/listener-plan.ts'
import type { Destinations, DestinationScope } from '../destinations.ts'
import type { Findings, Place } from '../findings.ts'
import { resolveGatewayName } from '../routes/gateway-names.ts'
import { weighted } from '../routes/weights.ts'
import { type Bindings, type BoundService, domainsOn } from './bindings.ts'
import type { PlacedServer } from './gateway-servers.ts'

/** Weighted destinations of a tcp or tls rule. */
export type TcpShares = Pick<TcpServerPlan, 'destinations' | 'cumulativeWeights'>

/**
 * The one route of a server of opaque bytes, in clear text or inside TLS: of the first
 * VirtualService with a matching tcp rule. null: there is none; `loss` says what comes of it.
 */
export function tcpServer(
  name: string,
  server: PlacedServer,
  parts: {
    readonly bindings: Bindings
    readonly destinations: Destinations
    readonly findings: Findings
  },
  loss = 'the port is not opened',
): TcpServerPlan | null {
  for (const bound of parts.bindings.of(server.gateway.name)) {
    if (domainsOn(bound, server).length === 0) continue
    for (const [index, rule] of (bound.resource.spec.tcp ?? []).entries()) {
      const matches = rule.match ?? []
      const applies =
        matches.length === 0
          ? bound.listed
          : matches.some((match) => appliesOn(match, bound, server))
      if (!applies) continue
      const place = { resource: bound.resource, path: ['spec', 'tcp', index] }
      const scope = { listenerPort: server.number, side: 'gateway' } as const
      return { name, ...tcpShares(rule.route ?? [], place, scope, parts.destinations) }
    }
  }
  parts.findings.report(
    'warning',
    'tcp-server-without-route',
    server.place,
    `no tcp rule of any VirtualService applies to this server: ${loss}`,
    'bind a VirtualService with a tcp rule to the Gateway',
  )
  return null
}

/** Does a tcp or tls match allow the server's Gateway and port? */
export function appliesOn(
  match: { readonly port?: number; readonly gateways?: readonly string[] },
  bound: BoundService,
  server: PlacedServer,
): boolean {
  const { port = 0, gateways = [] } = match
  const { namespace } = bound.resource.metadata
  const here =
    gateways.length === 0
      ? bound.listed
      : gateways.some((one) => resolveGatewayName(one, namespace) === server.gateway.name)
  return here && (port === 0 || port === server.number)
}

/** `place`: the rule's. */
export function tcpShares(
  routes: NonNullable<TcpRouteSpec['route']>,
  place: Place,
  scope: DestinationScope,
  destinations: Destinations,
): TcpShares {
  const chosen = weighted(routes).map(({ item, weight, index }) => {
    const path = [...place.path, 'route', index, 'destination']
    const spot = { resource: place.resource, path }
    const resolved = destinations.resolve(item.destination ?? {}, spot, scope)
    const { clusterName, cluster, dynamicPort } = resolved
    const destination =
      dynamicPort === 0 ? { clusterName, cluster } : { clusterName, cluster: null, dynamicPort }
    return { weight, destination }
  })
  return {
    destinations: chosen.map(({ destination }) => destination),
    cumulativeWeights: cumulativeWeights(chosen.map(({ weight }) => weight)),
  }
}

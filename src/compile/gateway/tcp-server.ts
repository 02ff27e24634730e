import { cumulativeWeights } from '../../base/weighted-pick.ts'
import type { TcpRouteSpec } from '../../config/kinds/virtual-service.ts'
import type { TcpServerPlan } from '../../snapshot/listener-plan.ts'
import type { Destinations, DestinationScope } from '../destinations.ts'
import type { Findings, Place } from '../findings.ts'
import { resolveGatewayName } from '../routes/gateway-names.ts'
import { weighted } from '../routes/weights.ts'
import { type Bindings, domainsOn } from './bindings.ts'
import type { PlacedServer } from './gateway-servers.ts'

/** Weighted destinations of a tcp or tls rule. */
export type TcpShares = Pick<TcpServerPlan, 'destinations' | 'cumulativeWeights'>

/**
 * The one route of a clear-text TCP server: of the first VirtualService with a matching tcp rule.
 * null: there is none, so nothing is listened on.
 */
export function tcpServer(
  name: string,
  server: PlacedServer,
  bindings: Bindings,
  destinations: Destinations,
  findings: Findings,
): TcpServerPlan | null {
  const gateway = server.gateway.name
  for (const bound of bindings.of(gateway)) {
    if (domainsOn(bound, server).length === 0) continue
    const { namespace } = bound.resource.metadata
    for (const [index, rule] of (bound.resource.spec.tcp ?? []).entries()) {
      const matches = rule.match ?? []
      const applies =
        matches.length === 0
          ? bound.listed
          : matches.some((match) => {
              const { port = 0, gateways = [] } = match
              const here =
                gateways.length === 0
                  ? bound.listed
                  : gateways.some((one) => resolveGatewayName(one, namespace) === gateway)
              return here && (port === 0 || port === server.number)
            })
      if (!applies) continue
      const place = { resource: bound.resource, path: ['spec', 'tcp', index] }
      const scope = { listenerPort: server.number, side: 'gateway' } as const
      return { name, ...tcpShares(rule.route ?? [], place, scope, destinations) }
    }
  }
  findings.report(
    'warning',
    'tcp-server-without-route',
    server.place,
    'no tcp rule of any VirtualService applies to this server: the port is not opened',
    'bind a VirtualService with a tcp rule to the Gateway',
  )
  return null
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
    const { clusterName, cluster } = destinations.resolve(item.destination ?? {}, spot, scope)
    return { weight, destination: { clusterName, cluster } }
  })
  return {
    destinations: chosen.map(({ destination }) => destination),
    cumulativeWeights: cumulativeWeights(chosen.map(({ weight }) => weight)),
  }
}

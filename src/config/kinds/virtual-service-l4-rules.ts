import { Cidr } from '../../base/cidr.ts'
import { hostCovers } from '../hosts.ts'
import { checkHost } from './host-rules.ts'
import { checkSelector } from './label-rules.ts'
import type { Place } from './place.ts'
import { checkPortNumber } from './port-rules.ts'
import { type Binding, checkGatewayName } from './virtual-service-binding.ts'
import type { TcpRouteSpec, VirtualServiceSpec } from './virtual-service.ts'
import { checkWeightedDestinations } from './weighted-destination-rules.ts'

type TlsRouteSpec = NonNullable<VirtualServiceSpec['tls']>[number]
type L4Match = NonNullable<TcpRouteSpec['match']>[number]

/** `tls` rules, by SNI. */
export function checkTlsRules(
  place: Place,
  rules: readonly TlsRouteSpec[],
  binding: Binding,
): void {
  const claimed = new Map<string, number>()
  place.each('tls', rules, (rule, at, index) => {
    const matches = rule.match ?? []
    if (matches.length === 0) {
      at.at('match').error('missing-field', 'TLS match is required', 'name the SNI in sniHosts')
    }
    at.each('match', matches, (match, matchAt) => {
      checkL4Match(matchAt, match)
      const names = match.sniHosts ?? []
      if (names.length === 0) {
        matchAt.at('sniHosts').error('missing-field', 'TLS match must have at least one SNI host')
      }
      matchAt.each('sniHosts', names, (name, nameAt) => {
        checkSniHost(nameAt, name, binding)
        claimSniHost(nameAt, { name, match, index }, claimed)
      })
    })
    const route = rule.route ?? []
    if (route.length === 0) at.at('route').error('missing-field', 'TLS route is required')
    checkWeightedDestinations(at.at('route'), route)
  })
}

function checkSniHost(place: Place, name: string, binding: Binding): void {
  if (!checkHost(place, name)) return
  if (binding.hosts.some((host) => hostCovers(host, name))) return
  place.error(
    'sni-outside-hosts',
    `SNI host "${name}" is not a compatible subset of any of the virtual service hosts: ` +
      `[${binding.hosts.join(', ')}]`,
    'add the name to hosts',
  )
}

interface SniClaim {
  readonly name: string
  readonly match: L4Match
  readonly index: number
}

function claimSniHost(place: Place, claim: SniClaim, claimed: Map<string, number>): void {
  const { name, match, index } = claim
  const key = JSON.stringify([name.toLowerCase(), match.port ?? null, match.gateways ?? []])
  const earlier = claimed.get(key)
  if (earlier === undefined) claimed.set(key, index)
  else {
    place.warning(
      'sni-host-claimed',
      `SNI host "${name}" of tls[${index}] is already taken by tls[${earlier}]: this entry is never used`,
    )
  }
}

/** One `tcp` rule. */
export function checkTcpRule(place: Place, rule: TcpRouteSpec): void {
  place.each('match', rule.match, (match, at) => {
    checkL4Match(at, match)
    if (match.sourceSubnet !== undefined) checkSubnet(at.at('sourceSubnet'), match.sourceSubnet)
  })
  const route = rule.route ?? []
  if (route.length === 0) place.at('route').error('missing-field', 'TCP route is required')
  checkWeightedDestinations(place.at('route'), route)
}

function checkL4Match(place: Place, match: L4Match): void {
  checkPortNumber(place.at('port'), match.port)
  checkSelector(place.at('sourceLabels'), match.sourceLabels)
  place.each('gateways', match.gateways, (name, at) => checkGatewayName(at, name))
  place.each('destinationSubnets', match.destinationSubnets, (subnet, at) =>
    checkSubnet(at, subnet),
  )
}

function checkSubnet(place: Place, subnet: string): void {
  if (Cidr.parse(subnet) !== null) return
  place.error('invalid-address', `"${subnet}" is not a valid CIDR block`)
}

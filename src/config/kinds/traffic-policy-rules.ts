import { isFqdn, isIpLiteral } from '../names.ts'
import { checkClientTls } from './client-tls-rules.ts'
import { checkConnectionPool } from './connection-pool-rules.ts'
import type { TrafficPolicySpec } from './destination-rule.ts'
import { checkLoadBalancer } from './load-balancer-rules.ts'
import { checkOutlierDetection } from './outlier-detection-rules.ts'
import type { Place } from './place.ts'
import { checkPortNumber } from './port-rules.ts'
import { checkRetryBudget } from './retry-budget-rules.ts'

const BLOCKS = ['loadBalancer', 'connectionPool', 'outlierDetection', 'tls'] as const

type Blocks = Pick<TrafficPolicySpec, (typeof BLOCKS)[number]>
type PortLevelSpec = NonNullable<TrafficPolicySpec['portLevelSettings']>[number]

/** `trafficPolicy` of a DestinationRule or of one of its subsets. */
export function checkTrafficPolicy(place: Place, policy: TrafficPolicySpec | undefined): void {
  if (policy === undefined) return
  const values: unknown[] = Object.values(policy)
  if (
    values.every((value) => value === undefined || (Array.isArray(value) && value.length === 0))
  ) {
    place.error('empty-block', 'traffic policy must have at least one field', 'remove it')
  }
  checkBlocks(place, policy)
  checkPortLevels(place, policy)
  checkTunnel(place, policy)
  if (policy.retryBudget !== undefined)
    checkRetryBudget(place.at('retryBudget'), policy.retryBudget)
}

function checkBlocks(place: Place, blocks: Blocks): void {
  const outlier = blocks.outlierDetection
  if (blocks.loadBalancer !== undefined) {
    checkLoadBalancer(place.at('loadBalancer'), blocks.loadBalancer, outlier !== undefined)
  }
  if (blocks.connectionPool !== undefined) {
    checkConnectionPool(place.at('connectionPool'), blocks.connectionPool)
  }
  if (outlier !== undefined) checkOutlierDetection(place.at('outlierDetection'), outlier)
  if (blocks.tls !== undefined) checkClientTls(place.at('tls'), blocks.tls)
}

function checkPortLevels(place: Place, policy: TrafficPolicySpec): void {
  const seen = new Set<number>()
  place.each('portLevelSettings', policy.portLevelSettings, (entry, at) => {
    const port = entry.port?.number
    if (port === undefined) {
      at.at('port', 'number').error('missing-field', 'portLevelSettings needs port.number')
    } else if (seen.has(port)) {
      at.at('port', 'number').warning(
        'duplicate-port-settings',
        `port ${port} has an earlier entry in portLevelSettings: this one is never used`,
      )
    } else seen.add(port)
    checkPortNumber(at.at('port', 'number'), port)
    checkBlocks(at, entry)
    adviseReplacement(at, policy, entry)
  })
}

function adviseReplacement(place: Place, policy: TrafficPolicySpec, entry: PortLevelSpec): void {
  const lost = BLOCKS.filter((block) => policy[block] !== undefined && entry[block] === undefined)
  if (lost.length === 0) return
  place.info(
    'port-level-replaces',
    `the settings of a port replace the whole policy: ${lost.join(', ')} from above does not apply to it`,
    `repeat ${lost.join(', ')} here where it is wanted`,
  )
}

function checkTunnel(place: Place, policy: TrafficPolicySpec): void {
  const { tunnel } = policy
  if (tunnel === undefined) return
  const at = place.at('tunnel')
  if (policy.proxyProtocol !== undefined) {
    at.error('conflicting-fields', 'tunnel and proxyProtocol cannot be set together')
  }
  const protocol = tunnel.protocol ?? ''
  if (!['', 'CONNECT', 'POST'].includes(protocol)) {
    at.at('protocol').error(
      'invalid-tunnel',
      `tunnel protocol must be CONNECT or POST, is "${protocol}"`,
    )
  }
  const host = tunnel.targetHost ?? ''
  if (host === '') at.at('targetHost').error('missing-field', 'tunnel target host is required')
  else if (!isFqdn(host) && !isIpLiteral(host)) {
    at.at('targetHost').error('invalid-host', `tunnel target host "${host}" is invalid`)
  }
  checkPortNumber(at.at('targetPort'), tunnel.targetPort ?? 0)
}

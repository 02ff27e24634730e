import { isHeaderName } from '../names.ts'
import type { TrafficPolicySpec } from './destination-rule.ts'
import {
  checkCount,
  checkDurationOrZero,
  checkPercent,
  checkPositiveDuration,
} from './number-rules.ts'
import { checkLocality } from './locality-rules.ts'
import type { Place } from './place.ts'

type LoadBalancerSpec = NonNullable<TrafficPolicySpec['loadBalancer']>
type ConsistentHashSpec = NonNullable<LoadBalancerSpec['consistentHash']>

const MAX_TABLE_SIZE = 5_000_011

/** `trafficPolicy.loadBalancer` */
export function checkLoadBalancer(
  place: Place,
  balancer: LoadBalancerSpec,
  hasOutlierDetection: boolean,
): void {
  checkSimple(place, balancer)
  if (balancer.consistentHash !== undefined) {
    checkConsistentHash(place.at('consistentHash'), balancer.consistentHash)
  }
  if (balancer.localityLbSetting !== undefined) {
    checkLocality(place.at('localityLbSetting'), balancer.localityLbSetting, hasOutlierDetection)
  }
  checkWarmup(place, balancer)
}

function checkSimple(place: Place, { simple, consistentHash }: LoadBalancerSpec): void {
  if (simple !== undefined && simple !== 'UNSPECIFIED' && consistentHash !== undefined) {
    place.error('conflicting-fields', 'only one of simple and consistentHash may be set')
  }
  if (simple === 'LEAST_CONN') {
    place
      .at('simple')
      .warning(
        'deprecated-value',
        'LEAST_CONN is deprecated: it is an alias of LEAST_REQUEST',
        'write LEAST_REQUEST',
      )
  }
}

function checkConsistentHash(place: Place, hash: ConsistentHashSpec): void {
  const keys = [
    hash.httpHeaderName !== undefined && 'httpHeaderName',
    hash.httpCookie !== undefined && 'httpCookie',
    hash.useSourceIp === true && 'useSourceIp',
    hash.httpQueryParameterName !== undefined && 'httpQueryParameterName',
  ].filter((name) => name !== false)
  if (keys.length === 0) {
    place.error(
      'missing-field',
      'consistentHash needs one of httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName',
    )
  } else if (keys.length > 1) {
    place.error('conflicting-fields', `consistentHash takes one key, found ${keys.join(' and ')}`)
  }
  if (hash.httpHeaderName !== undefined && !isHeaderName(hash.httpHeaderName)) {
    place
      .at('httpHeaderName')
      .error(
        'invalid-header-name',
        `header name "${hash.httpHeaderName}" is not a valid header name`,
      )
  }
  if (hash.httpQueryParameterName === '') {
    place.at('httpQueryParameterName').error('missing-field', 'query parameter name is required')
  }
  if (hash.httpCookie !== undefined) checkCookie(place.at('httpCookie'), hash.httpCookie)
  checkHashTable(place, hash)
}

function checkCookie(place: Place, cookie: NonNullable<ConsistentHashSpec['httpCookie']>): void {
  const name = cookie.name ?? ''
  if (name === '') {
    place.at('name').error('missing-field', 'name required for HttpCookie')
  } else if (!isHeaderName(name)) {
    place.at('name').error('invalid-cookie', `"${name}" is not a valid cookie name`)
  }
  checkDurationOrZero(place.at('ttl'), cookie.ttl)
  const texts: [string, string][] = [['path', cookie.path ?? '']]
  for (const { name: key = '', value = '' } of cookie.attributes ?? []) {
    if (key === '') place.at('attributes').error('missing-field', 'cookie attribute needs a name')
    texts.push(['attributes', `${key}${value}`])
  }
  for (const [field, text] of texts) {
    // A cookie attribute ends at a semicolon (RFC 6265 4.1.1).
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    if (!/[;\0-\x1f\x7f]/.test(text)) continue
    place
      .at(field)
      .error('invalid-cookie', 'semicolons and control characters cannot stand in a cookie')
  }
}

function checkHashTable(place: Place, hash: ConsistentHashSpec): void {
  if (hash.ringHash !== undefined && hash.maglev !== undefined) {
    place.error('conflicting-fields', 'only one of ringHash and maglev may be set')
  }
  checkCount(
    place.at('ringHash', 'minimumRingSize'),
    hash.ringHash?.minimumRingSize,
    'minimum ring size',
  )
  checkCount(place.at('minimumRingSize'), hash.minimumRingSize, 'minimum ring size')
  if (hash.minimumRingSize !== undefined) {
    place
      .at('minimumRingSize')
      .warning(
        'deprecated-field',
        'consistentHash.minimumRingSize is deprecated',
        'write ringHash: {minimumRingSize: ...}',
      )
  }
  if (hash.maglev === undefined) return
  const size = hash.maglev.tableSize ?? 0
  const at = place.at('maglev', 'tableSize')
  const hint = 'the usual size is 65537'
  if (size === 0) at.error('missing-field', 'tableSize must be set for maglev', hint)
  else if (size >= MAX_TABLE_SIZE) {
    at.error('invalid-number', `tableSize must be less than ${MAX_TABLE_SIZE} for maglev`, hint)
  } else if (!isPrime(size)) {
    at.error('invalid-number', `tableSize must be a prime number for maglev, is ${size}`, hint)
  }
}

/** Trial division; callers stay below MAX_TABLE_SIZE, so at most about 2,200 steps. */
function isPrime(candidate: number): boolean {
  if (candidate < 2) return false
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) {
    if (candidate % divisor === 0) return false
  }
  return true
}

function checkWarmup(place: Place, balancer: LoadBalancerSpec): void {
  const { simple, consistentHash, warmup, warmupDurationSecs } = balancer
  checkPositiveDuration(place.at('warmupDurationSecs'), warmupDurationSecs)
  if (warmupDurationSecs !== undefined) {
    const ignored = warmup === undefined ? '' : '; warmup is set too and wins'
    place
      .at('warmupDurationSecs')
      .warning(
        'deprecated-field',
        `warmupDurationSecs is deprecated${ignored}`,
        `write warmup: {duration: ${warmupDurationSecs}}`,
      )
  }
  const policy = consistentHash === undefined ? simple : 'consistentHash'
  if (warmup ?? warmupDurationSecs) checkWarmupPolicy(place, policy, warmup !== undefined)
  if (warmup === undefined) return
  const at = place.at('warmup')
  if (warmup.duration === undefined)
    at.at('duration').error('missing-field', 'duration is required')
  checkPositiveDuration(at.at('duration'), warmup.duration)
  checkPercent(at.at('minimumPercent'), warmup.minimumPercent)
  if (warmup.aggression !== undefined && warmup.aggression < 1) {
    at.at('aggression').error('invalid-number', 'aggression should be greater than or equal to 1')
  }
}

function checkWarmupPolicy(place: Place, policy: string | undefined, isBlock: boolean): void {
  if (policy !== 'RANDOM' && policy !== 'PASSTHROUGH' && policy !== 'consistentHash') return
  place
    .at(isBlock ? 'warmup' : 'warmupDurationSecs')
    .warning('warmup-without-effect', `warmup has no effect with ${policy}`)
}

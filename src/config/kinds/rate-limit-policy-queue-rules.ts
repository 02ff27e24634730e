import { parseDurationMs } from '../../base/duration.ts'
import type { Place } from './place.ts'
import type { QueueSpec, RateLimitPolicySpec, RateLimitRuleSpec } from './rate-limit-policy.ts'

/** Who waits holds a connection: longer than this no client waits. */
const MAX_WAIT_MS = 60_000
/** All who wait for limits of one rule are looked at when its timer goes off. */
const MAX_WAITING = 1000
const MAX_DELAY_MS = 86_400_000

type LimitSpec = NonNullable<RateLimitRuleSpec['limits']>[number]

/** What may be said of waiting for an upstream. */
export function checkUpstream(
  { obey, maxDelay, queue }: NonNullable<RateLimitPolicySpec['upstream']>,
  place: Place,
): void {
  checkDuration(place.at('maxDelay'), maxDelay, MAX_DELAY_MS, '1ms..24h')
  checkQueue(queue ?? {}, place.at('queue'))
  if (obey === true || (maxDelay === undefined && queue === undefined)) return
  place
    .at('obey')
    .error('missing-field', 'the other fields have no meaning without obey', 'obey: true')
}

/** `queue` of a rule. */
export function checkRuleQueue({ queue, shadow }: RateLimitRuleSpec, place: Place): void {
  if (queue === undefined) return
  checkQueue(queue, place)
  if (shadow !== true) return
  place.error('conflicting-fields', 'a shadow rule refuses nobody, so nobody waits for it')
}

/** `lease` of a limit. */
export function checkLease(
  { lease, requests = 1 }: LimitSpec,
  algorithm: NonNullable<LimitSpec['algorithm']>,
  place: Place,
): void {
  if (lease === undefined) return
  if (algorithm !== 'fixedWindow') {
    const message = `units of ${algorithm} cannot be taken ahead without admitting too many at some moment`
    place.error('conflicting-fields', message, 'use algorithm fixedWindow, or leave lease out')
  }
  const { maximum } = lease
  if (maximum === undefined) {
    place.at('maximum').error('missing-field', 'maximum is required', 'maximum: 50')
  } else if (maximum < 2 || maximum > requests) {
    place
      .at('maximum')
      .error('invalid-number', `maximum is in the range 2..requests (${requests}), is ${maximum}`)
  }
}

function checkQueue({ maxWait, maxRequests }: QueueSpec, place: Place): void {
  checkDuration(place.at('maxWait'), maxWait, MAX_WAIT_MS, '1ms..60s')
  if (maxRequests !== undefined && (maxRequests < 1 || maxRequests > MAX_WAITING)) {
    const message = `maxRequests is in the range 1..${MAX_WAITING}, is ${maxRequests}`
    place.at('maxRequests').error('invalid-number', message)
  }
}

function checkDuration(place: Place, text: string | undefined, maxMs: number, range: string): void {
  const ms = text === undefined ? null : parseDurationMs(text)
  if (ms === null || (ms >= 1 && ms <= maxMs)) return
  place.error('invalid-duration', `the duration is in the range ${range}, is ${text}`)
}

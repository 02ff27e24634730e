import { closest } from '../../base/closest.ts'
import { parseDurationMs } from '../../base/duration.ts'
import { checkDurationOrZero, checkPositiveDuration } from './number-rules.ts'
import type { Place } from './place.ts'
import type { HttpRouteSpec } from './virtual-service.ts'

type RetriesSpec = NonNullable<HttpRouteSpec['retries']>

/** Envoy's retry conditions, HTTP and gRPC. */
const RETRY_CONDITIONS: ReadonlySet<string> = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'refused-stream',
  'retriable-4xx',
  'retriable-status-codes',
  'retriable-headers',
  'envoy-ratelimited',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
])

/** Legal conditions that nothing can meet. */
const WITHOUT_EFFECT: ReadonlyMap<string, string> = new Map([
  ['retriable-headers', 'a VirtualService cannot name the headers'],
  ['http3-post-connect-failure', 'upstreams are not reached over HTTP/3'],
])

/** `timeout`, and how it fits `retries.perTryTimeout`. */
export function checkTimeouts(place: Place, rule: HttpRouteSpec): void {
  checkDurationOrZero(place.at('timeout'), rule.timeout)
  const { timeout } = rule
  const perTry = rule.retries?.perTryTimeout
  if (timeout === undefined || perTry === undefined) return
  const timeoutMs = parseDurationMs(timeout)
  const perTryMs = parseDurationMs(perTry)
  if (timeoutMs === null || perTryMs === null || timeoutMs === 0 || perTryMs < timeoutMs) return
  place
    .at('retries', 'perTryTimeout')
    .warning(
      'per-try-timeout-too-long',
      `perTryTimeout ${perTry} is not shorter than timeout ${timeout}: it never ends a try`,
      'timeout covers all tries together; make perTryTimeout shorter',
    )
}

/** `http[].retries` */
export function checkRetries(place: Place, retries: RetriesSpec): void {
  const attempts = retries.attempts ?? 0
  if (attempts < 0) {
    place.at('attempts').error('invalid-number', 'attempts cannot be negative')
  }
  const others = Object.entries(retries).filter(([name]) => name !== 'attempts')
  if (attempts === 0 && others.some(([, value]) => value !== undefined && value !== '')) {
    place.error(
      'retries-without-attempts',
      'http retry policy configured when attempts are set to 0 (disabled)',
      'set attempts, or remove the other fields',
    )
  }
  checkPositiveDuration(place.at('perTryTimeout'), retries.perTryTimeout)
  checkPositiveDuration(place.at('backoff'), retries.backoff)
  checkRetryOn(place.at('retryOn'), retries.retryOn ?? '')
}

/** `retryOn`: conditions and status codes, separated by commas. */
function checkRetryOn(place: Place, retryOn: string): void {
  if (retryOn.trim() === '') return
  for (const part of retryOn.split(',')) {
    const condition = part.trim().toLowerCase()
    const reason = WITHOUT_EFFECT.get(condition)
    if (reason !== undefined) {
      place.warning('retry-condition-without-effect', `${condition} never applies: ${reason}`)
    }
    if (RETRY_CONDITIONS.has(condition)) continue
    if (/^\d{3}$/.test(condition) && Number(condition) >= 100 && Number(condition) <= 599) continue
    const suggestion = closest(condition, RETRY_CONDITIONS)
    place.error(
      'invalid-retry-on',
      `${part.trim() === '' ? '(empty)' : part.trim()} is not a valid retryOn policy`,
      suggestion === null
        ? `known are ${[...RETRY_CONDITIONS].join(', ')} and status codes`
        : `did you mean ${suggestion}?`,
    )
  }
}

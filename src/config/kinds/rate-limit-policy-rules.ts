import { parseDurationMs } from '../../base/duration.ts'
import type { Reporter } from '../reporter.ts'
import type { Resource } from '../resource.ts'
import { checkPositiveDuration } from './number-rules.ts'
import { Place } from './place.ts'
import { checkRateLimitMatch } from './rate-limit-policy-match-rules.ts'
import { checkLease, checkRuleQueue, checkUpstream } from './rate-limit-policy-queue-rules.ts'
import type { RateLimitPolicySpec, RateLimitRuleSpec } from './rate-limit-policy.ts'
import type { ValidationOptions } from './validation-options.ts'

/** A request of a limit is found among so many rules of one policy, each with so many limits. */
const MAX_RULES = 64
const MAX_LIMITS = 8

/** Beyond it the sums of a counter are no longer exact. */
const MAX_REQUESTS = 1_000_000_000
const MAX_PERIOD_MS = 31_536_000_000
const MAX_TIMEOUT_MS = 10_000

/** Rule names stand in headers, metrics and the log. */
const RULE_NAME = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/

type LimitSpec = NonNullable<RateLimitRuleSpec['limits']>[number]
type Algorithm = NonNullable<LimitSpec['algorithm']>

/** RateLimitPolicy: what the field table cannot see. */
export function validateRateLimitPolicy(
  resource: Resource<RateLimitPolicySpec>,
  reporter: Reporter,
  options: ValidationOptions,
): void {
  const { spec } = resource
  const place = new Place(reporter, options, ['spec'])
  checkTarget(spec, place.at('targetRef'))
  const timeoutMs = spec.timeout === undefined ? null : parseDurationMs(spec.timeout)
  checkPositiveDuration(place.at('timeout'), spec.timeout)
  if (timeoutMs !== null && timeoutMs > MAX_TIMEOUT_MS) {
    place.at('timeout').error('invalid-duration', 'a check may wait for Redis at most 10s')
  }
  const count = spec.rules?.length ?? 0
  if (count === 0 && spec.upstream?.obey !== true) {
    const message = 'a RateLimitPolicy needs rules, or upstream.obey: true'
    place.at('rules').error('missing-field', message)
  }
  checkUpstream(spec.upstream ?? {}, place.at('upstream'))
  if (count > MAX_RULES) {
    const message = `at most ${MAX_RULES} rules, found ${count}`
    place.at('rules').error('rate-limit-policy-too-large', message, 'split the policy')
  }
  const names = new Set<string>()
  place.each('rules', spec.rules, (rule, at) => {
    checkName(rule.name, names, at.at('name'))
    checkRateLimitMatch(rule.match ?? {}, at.at('match'))
    checkLimits(rule, spec.algorithm ?? 'gcra', at)
    checkRuleQueue(rule, at.at('queue'))
  })
}

function checkTarget({ targetRef }: RateLimitPolicySpec, place: Place): void {
  if (targetRef === undefined) {
    place.error(
      'missing-field',
      'targetRef is required',
      'name a Gateway, VirtualService or ServiceEntry',
    )
    return
  }
  for (const field of ['kind', 'name'] as const) {
    if ((targetRef[field] ?? '') === '') {
      place.at(field).error('missing-field', `${field} is required`)
    }
  }
  const group = targetRef.group ?? ''
  if (group !== '' && group !== 'networking.istio.io') {
    place
      .at('group')
      .error(
        'invalid-target',
        `targetRef.group ${group} is not networking.istio.io`,
        'leave it out',
      )
  }
  if (targetRef.kind === 'Gateway' && (targetRef.sectionName ?? '') !== '') {
    place
      .at('sectionName')
      .error(
        'invalid-target',
        'sectionName names a route of a VirtualService or a host of a ServiceEntry, not a part of a Gateway',
        'leave it out, or target the VirtualService',
      )
  }
}

function checkName(name: string | undefined, names: Set<string>, place: Place): void {
  if (name === undefined || name === '') {
    place.error('missing-field', 'a rule needs a name: counters, metrics and answers carry it')
    return
  }
  if (!RULE_NAME.test(name)) {
    place.error(
      'invalid-rule-name',
      `rule name "${name}" is not made of lower-case letters, digits and inner dashes`,
    )
  }
  if (names.has(name)) place.error('duplicate-rule-name', `two rules are called "${name}"`)
  names.add(name)
}

function checkLimits(rule: RateLimitRuleSpec, inherited: Algorithm, place: Place): void {
  const { limits = [] } = rule
  if (limits.length === 0) place.at('limits').error('missing-field', 'a rule needs limits')
  if (limits.length > MAX_LIMITS) {
    place
      .at('limits')
      .error('rate-limit-policy-too-large', `at most ${MAX_LIMITS} limits, found ${limits.length}`)
  }
  const seen = new Set<string>()
  let smallest = Number.POSITIVE_INFINITY
  place.each('limits', limits, (limit, at) => {
    checkLimit(limit, limit.algorithm ?? inherited, at)
    const key = `${limit.algorithm ?? inherited} ${parseDurationMs(limit.per ?? '')}`
    if (seen.has(key))
      at.at('per').error('duplicate-limit', 'two limits of one rule share a period')
    seen.add(key)
    smallest = Math.min(smallest, limit.burst ?? limit.requests ?? 1)
  })
  checkCost(rule.cost ?? {}, Math.max(1, smallest), place.at('cost'))
}

function checkLimit(limit: LimitSpec, algorithm: Algorithm, place: Place): void {
  checkRange(place, 'requests', limit.requests)
  const periodMs = limit.per === undefined ? null : parseDurationMs(limit.per)
  if (limit.per === undefined) place.at('per').error('missing-field', 'per is required', 'per: 60s')
  else if (periodMs !== null && (periodMs < 1 || periodMs > MAX_PERIOD_MS)) {
    place.at('per').error('invalid-duration', `per is in the range 1ms..8760h, is ${limit.per}`)
  } else if (periodMs !== null && !Number.isInteger(periodMs)) {
    place.at('per').error('invalid-duration', `per is whole milliseconds, is ${limit.per}`)
  }
  checkLease(limit, algorithm, place.at('lease'))
  if (limit.burst === undefined) return
  checkRange(place, 'burst', limit.burst)
  if (algorithm !== 'gcra') {
    place
      .at('burst')
      .error('conflicting-fields', `burst has no meaning for ${algorithm}`, 'use algorithm gcra')
  }
}

function checkCost(
  cost: NonNullable<RateLimitRuleSpec['cost']>,
  smallest: number,
  place: Place,
): void {
  const { number = 1, header, maximum } = cost
  if (cost.number !== undefined) checkRange(place, 'number', number)
  if (header !== undefined && !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(header)) {
    place.at('header').error('invalid-header-name', `"${header}" is not a header name`)
  }
  if (header !== undefined && maximum === undefined) {
    place
      .at('maximum')
      .error('missing-field', 'a cost that clients write needs a maximum', 'maximum: 100')
  }
  if (header === undefined && maximum !== undefined) {
    place
      .at('maximum')
      .error('conflicting-fields', 'maximum bounds the cost of a header, and there is none')
  }
  if (maximum !== undefined && maximum < number) {
    place.at('maximum').error('invalid-number', `maximum ${maximum} is below number ${number}`)
  }
  const most = header === undefined ? number : (maximum ?? number)
  if (most > smallest) {
    place.error(
      'cost-never-fits',
      `a request may cost ${most}, and a limit admits ${smallest} at once: such a request never passes`,
      'raise requests or burst, or lower the cost',
    )
  }
}

function checkRange(place: Place, field: string, value: number | undefined): void {
  if (value === undefined) {
    place.at(field).error('missing-field', `${field} is required`)
  } else if (value < 1 || value > MAX_REQUESTS) {
    place
      .at(field)
      .error('invalid-number', `${field} is in the range 1..${MAX_REQUESTS}, is ${value}`)
  }
}

import { Headers } from '../../src/filters/headers.ts'
import { wholeSeconds } from './decision.ts'
import { RESOURCE_EXHAUSTED } from './grpc-request.ts'
import type { LimitCheck } from './limit-check.ts'
import type { PolicyRule } from './policy-rule.ts'
import type { HeaderStyle } from './policy-settings.ts'
import type { PolicyUpstream } from './policy-upstream.ts'

/** One limit of a rule and how the request stands with it. */
export interface RuleCheck {
  readonly rule: PolicyRule
  /** Name of the limit in answers. */
  readonly label: string
  readonly check: LimitCheck
}

/** Where fields of an answer go. */
interface FieldSink {
  add(name: string, value: string): void
}

/** draft-03 or IETF fields about all limits that enforce; a shadow limit is nobody's business. */
export function describeLimits(entries: readonly RuleCheck[], into: FieldSink): void {
  addDraft03(withStyle(entries, 'draft-03'), into)
  addStructured(withStyle(entries, 'ietf'), into)
}

function withStyle(entries: readonly RuleCheck[], style: HeaderStyle): readonly RuleCheck[] {
  return entries.filter(({ rule }) => !rule.shadow && rule.answers.headers === style)
}

/** draft-polli-ratelimit-headers-03, in Envoy's spelling. */
function addDraft03(entries: readonly RuleCheck[], into: FieldSink): void {
  const first = entries[0]
  if (first === undefined) return
  let tightest = first
  let policies = ''
  for (const entry of entries) {
    if (entry.check.remaining < tightest.check.remaining) tightest = entry
    const { limit, periodMs } = entry.check.quota
    policies += `, ${limit};w=${wholeSeconds(periodMs)};name="${entry.label}"`
  }
  const { quota, remaining, resetMs } = tightest.check
  into.add('x-ratelimit-limit', quota.limit + policies)
  into.add('x-ratelimit-remaining', String(remaining))
  into.add('x-ratelimit-reset', String(wholeSeconds(resetMs)))
}

/** draft-ietf-httpapi-ratelimit-headers: structured fields; lists of an upstream join by themselves. */
function addStructured(entries: readonly RuleCheck[], into: FieldSink): void {
  if (entries.length === 0) return
  let policies = ''
  let state = ''
  for (const { label, check } of entries) {
    const separator = policies === '' ? '' : ', '
    const { quota, remaining, resetMs } = check
    policies += `${separator}"${label}";q=${quota.limit};w=${wholeSeconds(quota.periodMs)}`
    state += `${separator}"${label}";r=${remaining};t=${wholeSeconds(resetMs)}`
  }
  into.add('ratelimit-policy', policies)
  into.add('ratelimit', state)
}

/** Answer to a request that does not fit. */
export interface Denial {
  readonly headers: Headers
  readonly body: string
  /** Response code details of the log. */
  readonly details: string
}

const QUOTA_EXCEEDED = 'https://iana.org/assignments/http-problem-types#quota-exceeded'

/** `violated` has at least one entry; the rule with the longest wait is the one that is named. */
export function denial(
  entries: readonly RuleCheck[],
  violated: readonly RuleCheck[],
  isGrpc: boolean,
): Denial {
  let longest = violated[0]!
  for (const entry of violated) if (entry.check.retryMs > longest.check.retryMs) longest = entry
  const { rule, check } = longest
  const headers = new Headers()
  headers.add('x-envoy-ratelimited', 'true')
  describeLimits(entries, headers)
  headers.add('retry-after', String(wholeSeconds(check.retryMs)))
  if (rule.answers.ruleHeader) headers.add('x-tidegate-rate-limited-by', rule.label)
  let body = ''
  if (isGrpc) {
    headers.add('grpc-status', RESOURCE_EXHAUSTED)
    headers.add('grpc-retry-pushback-ms', String(Math.ceil(check.retryMs)))
  } else if (rule.answers.problemJson) {
    headers.add('content-type', 'application/problem+json')
    body = problem(violated)
  }
  return { headers, body, details: `request_rate_limited_by[${rule.label}]` }
}

/** Answer to a request for a host that asked not to be asked for `closedMs`. */
export function upstreamDenial(
  { label, answers }: Pick<PolicyUpstream, 'label' | 'answers'>,
  host: string,
  closedMs: number,
  isGrpc: boolean,
): Denial {
  const headers = new Headers()
  headers.add('x-envoy-ratelimited', 'true')
  headers.add('retry-after', String(wholeSeconds(closedMs)))
  if (answers.ruleHeader) headers.add('x-tidegate-rate-limited-by', label)
  let body = ''
  if (isGrpc) {
    headers.add('grpc-status', RESOURCE_EXHAUSTED)
    headers.add('grpc-retry-pushback-ms', String(Math.ceil(closedMs)))
  } else if (answers.problemJson) {
    headers.add('content-type', 'application/problem+json')
    body = UPSTREAM_PROBLEM
  }
  return { headers, body, details: `request_rate_limited_by_upstream[${host}]` }
}

const UPSTREAM_PROBLEM = `{"type":"${QUOTA_EXCEEDED}","title":"Too Many Requests","status":429,"detail":"the limit is that of the upstream"}`

const REDUCED_CAPACITY =
  'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity'

/** Answer to a request that cannot be counted and must not pass uncounted. */
export function refusal(rule: PolicyRule, isGrpc: boolean): Pick<Denial, 'headers' | 'body'> {
  const headers = new Headers()
  if (rule.answers.ruleHeader) headers.add('x-tidegate-rate-limited-by', rule.label)
  if (isGrpc || !rule.answers.problemJson) return { headers, body: '' }
  headers.add('content-type', 'application/problem+json')
  const body = `{"type":"${REDUCED_CAPACITY}","title":"Service Unavailable","status":503}`
  return { headers, body }
}

/** RFC 9457. Labels are lower-case letters, digits and dashes: nothing to escape. */
function problem(violated: readonly RuleCheck[]): string {
  let names = ''
  for (const { label } of violated) names += `${names === '' ? '' : ','}"${label}"`
  return `{"type":"${QUOTA_EXCEEDED}","title":"Too Many Requests","status":429,"violated-policies":[${names}]}`
}

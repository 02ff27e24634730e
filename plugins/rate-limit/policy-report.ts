import { fromBytes } from '../../src/base/latin1.ts'
import type { FilterExchange } from '../../src/filters/filter.ts'
import type { LimitReport, ReportedRule } from '../../src/filters/limit-report.ts'
import {
  type CounterSelection,
  NOT_SELECTED,
  oneForEach,
  type SelectedCounter,
  type SelectedCounters,
} from './counter-selection.ts'
import type { LimitQuestion } from './filter-report.ts'
import type { LimitCheck } from './limit-check.ts'
import { type PolicyPlan, TOO_MANY_REQUESTS } from './policy-request.ts'
import type { PolicyRule } from './policy-rule.ts'
import { decisionOf, reportLimit } from './reported-limit.ts'

/** RateLimitPolicies held against a request: all that have to admit it, charging nothing. */
export async function reportPolicies(
  { rules, store, upstreams }: PolicyPlan,
  { exchange, look }: LimitQuestion,
): Promise<LimitReport> {
  const asked = rules.map((rule) => {
    const checks: LimitCheck[] = []
    rule.check(exchange, checks)
    return { rule, checks, trace: rule.trace(exchange) }
  })
  const checks = asked.flatMap((one) => one.checks)
  const isAsked = look && checks.length > 0
  const looked = isAsked && ((await store.look?.(checks)) ?? false)
  const closed = look ? closedUpstreams(upstreams, exchange) : []
  const refuses = closed.length > 0 || checks.some(({ over, enforces }) => over && enforces)
  return {
    filter: 'rate-limit-policy',
    kind: 'policy',
    notes: [...(isAsked && !looked ? failureNotes(asked) : []), ...queueNotes(asked), ...closed],
    rules: asked.map(({ rule, checks: own, trace }): ReportedRule => {
      const { failure, values } = trace
      return {
        policy: rule.stats.policy,
        rule: rule.name,
        origin: null,
        entries: values.map((value, index) => [rule.distinctNames[index] ?? '', fromBytes(value)]),
        applies: failure === null,
        reason: failure === null ? null : `the condition does not hold: ${failure}`,
        shadow: rule.shadow,
        limitOrigin: null,
        limitLine: null,
        limits: own.map((check) => reportLimit(check, looked)),
      }
    }),
    ...decisionOf(refuses, checks.length === 0 ? look : looked, TOO_MANY_REQUESTS),
  }
}

/** Upstreams that said when they may be asked again, as this process knows it. */
function closedUpstreams(
  upstreams: PolicyPlan['upstreams'],
  { clusterName }: FilterExchange,
): readonly string[] {
  if (clusterName === null || clusterName === '') return []
  const now = performance.now()
  return upstreams.flatMap(({ label, gates }) => {
    const closedMs = gates.gateOf(clusterName).closedMs(now)
    return closedMs === 0
      ? []
      : [`${label}: the upstream asked for no requests, for another ${closedMs} ms`]
  })
}

interface AskedRule {
  readonly rule: PolicyRule
  readonly checks: readonly LimitCheck[]
}

function queueNotes(asked: readonly AskedRule[]): readonly string[] {
  return asked.flatMap(({ rule: { name, queue }, checks }) =>
    queue === null || !checks.some(({ over }) => over)
      ? []
      : [`a request that ${name} does not admit waits up to ${queue.maxWaitMs} ms for room`],
  )
}

function failureNotes(asked: readonly AskedRule[]): readonly string[] {
  return asked
    .filter(({ checks }) => checks.length > 0)
    .map(
      ({ rule }) =>
        `the counters cannot be asked: onFailure ${rule.onFailure} decides for ${rule.name}`,
    )
}

/** The counters of a policy: those of rules without distinct values, or those that entries name. */
export function policyCounters(
  plan: PolicyPlan,
  { policy, rule: wanted, entries }: CounterSelection,
): SelectedCounters {
  const own = plan.rules.filter(({ stats }) => stats.policy === policy)
  if (own.length === 0) return NOT_SELECTED
  const given = new Map(entries)
  const counters: SelectedCounter[] = []
  const unnamed: { rule: string; reason: string }[] = []
  for (const rule of own) {
    if (wanted !== null && rule.name !== wanted) continue
    const reason = whyUnnamed(rule, given)
    const checks = reason === null ? rule.countersOf(given) : null
    if (checks === null)
      unnamed.push({ rule: rule.name, reason: reason ?? 'no request has these values' })
    else for (const check of checks) counters.push({ rule: rule.name, check, local: false })
  }
  return { rules: own.map(({ name }) => name), counters, unnamed }
}

function whyUnnamed(
  { distinctNames }: PolicyRule,
  given: ReadonlyMap<string, string>,
): string | null {
  const stray = [...given.keys()].find((name) => !distinctNames.includes(name))
  if (stray !== undefined) {
    const known = distinctNames.length === 0 ? 'none' : distinctNames.join(', ')
    return `its counters are not told apart by ${stray} (distinct: ${known})`
  }
  const missing = distinctNames.filter((name) => !given.has(name))
  return missing.length === 0 ? null : oneForEach(missing.join(' and '))
}

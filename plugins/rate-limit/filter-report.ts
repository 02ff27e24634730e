import type { FilterExchange } from '../../src/filters/filter.ts'
import type { LimitReport, ReportedRule } from '../../src/filters/limit-report.ts'
import {
  type CounterSelection,
  NOT_SELECTED,
  oneForEach,
  type SelectedCounters,
} from './counter-selection.ts'
import { decide } from './decision.ts'
import type { DescriptorRule } from './descriptors.ts'
import { explainNoLimit, matchDescriptor } from './descriptor-tree.ts'
import type { RateLimitPlan } from './filter.ts'
import type { Limit } from './limit.ts'
import { LimitCheck } from './limit-check.ts'
import { isReplaced, limitKey, type MatchedLimit, matchLimits } from './limit-match.ts'
import { literal } from './literal.ts'
import { decisionOf, pairsOf, reportLimit, shareNotes } from './reported-limit.ts'

/** A request to report on, and whether counters are looked at. */
export interface LimitQuestion {
  readonly exchange: FilterExchange
  readonly look: boolean
}

/** Envoy's global rate limit held against a request: the walk of the data path, charging nothing. */
export async function reportGlobal(
  filter: string,
  plan: RateLimitPlan,
  { exchange, look }: LimitQuestion,
): Promise<LimitReport> {
  const { config, rules, root, store } = plan
  const matched = matchLimits(rules, root, exchange)
  const counted = matched.filter(({ limit }) => !limit.unlimited && !isReplaced(limit, matched))
  const checks = counted.map(({ limit, entries, rule }) => {
    const key = limitKey(plan, entries, limit)
    return new LimitCheck(key, limit.quota, rule.hits, !limit.shadowMode)
  })
  const asked = look && checks.length > 0
  const looked = asked && ((await store.look?.(checks)) ?? false)
  const notes = shareNotes(config.enabled.share, config.enforced.share)
  if (asked && !looked) notes.push(failureNote(config.failureDeny.share, config.statusOnError))
  const limits = counted.map(({ limit }) => limit)
  const refuses = looked && decide(limits, checks).overLimit && config.enforced.share > 0
  return {
    filter,
    kind: 'global',
    notes,
    rules: [...rules, ...plan.idleRules].map((rule) => {
      const found = matched.find((one) => one.rule === rule)
      const index = found === undefined ? -1 : counted.indexOf(found)
      const check = index < 0 ? null : checks[index]!
      return reportRule(plan, rule, exchange, {
        reason: found === undefined ? null : whyNotCounted(found, matched),
        limit: found?.limit ?? null,
        limits: check === null ? [] : [reportLimit(check, looked)],
      })
    }),
    ...(checks.length === 0
      ? decisionOf(false, look, 0)
      : decisionOf(refuses, looked, config.rateLimitedStatus)),
  }
}

function failureNote(deny: number, status: number): string {
  const what = deny === 0 ? 'lets requests pass' : `answers ${status}`
  return `the counters cannot be asked: failure_mode_deny decides, and ${what}`
}

function whyNotCounted({ limit }: MatchedLimit, matched: readonly MatchedLimit[]): string | null {
  if (limit.unlimited) return 'the limit is unlimited'
  if (!isReplaced(limit, matched)) return null
  const by = matched.find((other) => other.limit.replaces.includes(limit.name))
  return `the limit is replaced by ${by?.limit.path}, which names it under replaces`
}

function reportRule(
  { domain, root, rootOrigin }: RateLimitPlan,
  rule: DescriptorRule,
  exchange: FilterExchange,
  found: Pick<ReportedRule, 'reason' | 'limits'> & { readonly limit: Limit | null },
): ReportedRule {
  const { entries, failure } = rule.trace(exchange)
  const { limit, limits } = found
  const missed = limit === null ? (failure ?? explainNoLimit(root, entries)) : found.reason
  return {
    policy: domain,
    rule: limit === null ? null : limit.path,
    origin: rule.origin,
    entries: pairsOf(entries),
    applies: missed === null,
    reason: missed,
    shadow: limit?.shadowMode ?? false,
    limitOrigin: limit === null ? null : rootOrigin,
    limitLine: limit?.line ?? null,
    limits,
  }
}

/** The counters of a domain: those that have only one, or the one that entries name. */
export function globalCounters(
  plan: RateLimitPlan,
  { domain, rule, entries }: CounterSelection,
): SelectedCounters {
  if (domain !== plan.domain) return NOT_SELECTED
  const all = [...plan.root.limits()].filter(([limit]) => !limit.unlimited)
  const rules = all.map(([limit]) => limit.path)
  const counter = (
    limit: Limit,
    named: readonly string[],
  ): SelectedCounters['counters'][number] => {
    const key = limitKey(plan, named, limit)
    return {
      rule: limit.path,
      check: new LimitCheck(key, limit.quota, 1, !limit.shadowMode),
      local: false,
    }
  }
  if (entries.length > 0) {
    const named = entries.flat().map(literal)
    const limit = matchDescriptor(plan.root, named)
    if (limit === null || limit.unlimited || (rule !== null && limit.path !== rule)) {
      const reason =
        limit === null ? explainNoLimit(plan.root, named) : `the entries lead to ${limit.path}`
      return { rules, counters: [], unnamed: [{ rule: rule ?? limit?.path ?? '', reason }] }
    }
    return { rules, counters: [counter(limit, named)], unnamed: [] }
  }
  const meant = all.filter(([limit]) => rule === null || limit.path === rule)
  return {
    rules,
    counters: meant.flatMap(([limit, named]) => (named === null ? [] : [counter(limit, named)])),
    unnamed: meant
      .filter(([, named]) => named === null)
      .map(([{ path }]) => ({ rule: path, reason: oneForEach('value of a key') })),
  }
}

/** Settings of the filter on one route, for people. */
export function describeGlobal(plan: RateLimitPlan): Readonly<Record<string, unknown>> {
  const { domain, rules, config } = plan
  return {
    domain,
    descriptors: rules.map(({ actions }) =>
      actions.map(({ key, fixedValue }) => (fixedValue === null ? key : `${key}=${fixedValue}`)),
    ),
    enabled: config.enabled.share,
    enforced: config.enforced.share,
  }
}

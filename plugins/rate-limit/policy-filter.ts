import {
  CONTINUE,
  type Filter,
  type FilterExchange,
  type Verdict,
} from '../../src/filters/filter.ts'
import type { LimitReport } from '../../src/filters/limit-report.ts'
import type { CounterOwnerName, CounterSelection, SelectedCounters } from './counter-selection.ts'
import type { LimitCheck } from './limit-check.ts'
import type { RuleCheck } from './policy-answers.ts'
import { policyCounters, reportPolicies } from './policy-report.ts'
import { type GatedUpstream, type PolicyPlan, PolicyRequest } from './policy-request.ts'
import type { PolicyUpstream } from './policy-upstream.ts'

/** Holds the requests of a route against its RateLimitPolicies: one question to the store for all. */
export class PolicyFilter implements Filter {
  readonly name = 'rate-limit-policy'
  readonly #plan: PolicyPlan

  constructor(plan: PolicyPlan) {
    this.#plan = plan
  }

  onRequest(exchange: FilterExchange): Verdict {
    const { rules, upstreams } = this.#plan
    const entries: RuleCheck[] = []
    const checks: LimitCheck[] = []
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i]!
      const from = checks.length
      rule.check(exchange, checks)
      for (let at = from; at < checks.length; at++) {
        entries.push({ rule, label: rule.quotas[at - from]!.label, check: checks[at]! })
      }
    }
    const gates = upstreams.length === 0 ? NO_GATES : gatesOf(upstreams, exchange)
    if (entries.length === 0 && gates.length === 0) return CONTINUE
    return new PolicyRequest(this.#plan, exchange, entries, gates).run()
  }

  reportLimits(exchange: FilterExchange, look: boolean): Promise<LimitReport> {
    return reportPolicies(this.#plan, { exchange, look })
  }

  get counterSource(): object {
    return this
  }

  counterOwners(): readonly CounterOwnerName[] {
    return this.#plan.rules.map(({ stats }) => ({ kind: 'policy', name: stats.policy }))
  }

  countersOf(selection: CounterSelection): SelectedCounters {
    return policyCounters(this.#plan, selection)
  }

  describe(): Readonly<Record<string, unknown>> {
    return {
      rules: this.#plan.rules.map(({ label, shadow, onFailure, queue, quotas }) => ({
        rule: label,
        shadow,
        onFailure,
        queue,
        limits: quotas.map(({ quota, algorithm }) => ({
          algorithm,
          requests: quota.limit,
          periodMs: quota.periodMs,
          burst: quota.burst,
        })),
      })),
      upstreams: this.#plan.upstreams.map(({ label, queue, gates }) => ({
        policy: label,
        maxDelayMs: gates.maxDelayMs,
        queue,
      })),
    }
  }
}

const NO_GATES: readonly GatedUpstream[] = []

/** Redirects and direct responses have no upstream. */
function gatesOf(
  upstreams: readonly PolicyUpstream[],
  { clusterName }: FilterExchange,
): readonly GatedUpstream[] {
  if (clusterName === null || clusterName === '') return NO_GATES
  return upstreams.map((upstream) => {
    return { upstream, gate: upstream.gates.gateOf(clusterName), check: null }
  })
}

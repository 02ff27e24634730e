import type {
  Filter,
  FilterCompileContext,
  FilterFactory,
  FilterLayer,
  FilterSettings,
} from '../../src/filters/filter.ts'
import type { CounterStore } from './counter-store.ts'
import { PolicyFilter } from './policy-filter.ts'
import { compileRules, type PolicyRule } from './policy-rule.ts'
import type { PolicySettings } from './policy-settings.ts'
import type { RateLimitStats } from './stats.ts'

/** The limits of RateLimitPolicy (tidegate.dev). */
export class RateLimitPolicyFactory implements FilterFactory {
  readonly name = 'rate-limit-policy'
  readonly typeUrls = [] as const
  readonly field = 'rateLimitPolicies'
  readonly #store: CounterStore
  readonly #fallback: CounterStore
  readonly #stats: RateLimitStats
  /** Routes of one policy share a layer, and with it the filter: it holds no request. */
  readonly #filters = new WeakMap<FilterLayer, Filter | null>()

  constructor(store: CounterStore, fallback: CounterStore, stats: RateLimitStats) {
    this.#store = store
    this.#fallback = fallback
    this.#stats = stats
  }

  compile({ listener }: FilterSettings, context: FilterCompileContext): Filter | null {
    const known = this.#filters.get(listener)
    if (known !== undefined) return known
    const policies = listener.value['policies'] as readonly PolicySettings[]
    const rules: PolicyRule[] = []
    for (const policy of policies) {
      const failed = (path: readonly (string | number)[], reason: string): void => {
        const { namespace, name } = policy
        const origin = { ...listener.origin, namespace, name, path: ['spec', ...path] }
        context.report({
          code: 'rate-limit-invalid',
          severity: 'error',
          origin,
          message: `the rule is left out: ${reason}`,
          hint: null,
        })
      }
      rules.push(...compileRules(policy, context, this.#stats, failed))
    }
    const filter =
      rules.length === 0
        ? null
        : new PolicyFilter({
            rules,
            store: this.#store,
            fallback: this.#fallback,
            stats: this.#stats,
          })
    this.#filters.set(listener, filter)
    return filter
  }
}

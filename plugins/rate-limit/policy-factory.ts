import type {
  Filter,
  FilterCompileContext,
  FilterFactory,
  FilterLayer,
  FilterSettings,
} from '../../src/filters/filter.ts'
import type { CounterStore } from './counter-store.ts'
import type { LeasedStore } from './leased-store.ts'
import { PolicyUpstreams, type PolicyUpstream } from './policy-upstream.ts'
import { PolicyFilter } from './policy-filter.ts'
import { compileRules, type PolicyRule } from './policy-rule.ts'
import type { PolicySettings } from './policy-settings.ts'
import type { RateLimitStats } from './stats.ts'
import { WaitingRooms } from './waiting-room.ts'

/** The limits of RateLimitPolicy (tidegate.dev). */
export class RateLimitPolicyFactory implements FilterFactory {
  readonly name = 'rate-limit-policy'
  readonly typeUrls = [] as const
  readonly field = 'rateLimitPolicies'
  readonly #store: CounterStore
  readonly #fallback: CounterStore
  /** For rules with leases; null: there is nobody to share limits with. */
  readonly #leased: LeasedStore | null
  readonly #stats: RateLimitStats
  readonly #upstreams: PolicyUpstreams
  readonly #rooms = new WaitingRooms()
  /** Routes of one policy share a layer, and with it the filter: it holds no request. */
  readonly #filters = new WeakMap<FilterLayer, Filter | null>()

  /** What `shared` knows holds for other gateways too; null: this process is alone. */
  constructor(
    store: CounterStore,
    fallback: CounterStore,
    stats: RateLimitStats,
    shared: CounterStore | null = null,
    leased: LeasedStore | null = null,
  ) {
    this.#leased = leased
    this.#store = store
    this.#fallback = fallback
    this.#stats = stats
    this.#upstreams = new PolicyUpstreams(shared, stats)
  }

  /** Those who wait for a limit are refused. */
  close(): void {
    this.#rooms.close()
  }

  compile({ listener }: FilterSettings, context: FilterCompileContext): Filter | null {
    const known = this.#filters.get(listener)
    if (known !== undefined) return known
    const policies = listener.value['policies'] as readonly PolicySettings[]
    const rules: PolicyRule[] = []
    const upstreams: PolicyUpstream[] = []
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
      const upstream = this.#upstreams.compile(policy)
      if (upstream !== null) upstreams.push(upstream)
    }
    const leases = rules.some(({ quotas }) => quotas.some(({ quota }) => quota.lease > 0))
    const filter =
      rules.length === 0 && upstreams.length === 0
        ? null
        : new PolicyFilter({
            rules,
            upstreams,
            rooms: this.#rooms,
            store: (leases ? this.#leased : null) ?? this.#store,
            fallback: this.#fallback,
            stats: this.#stats,
          })
    this.#filters.set(listener, filter)
    return filter
  }
}

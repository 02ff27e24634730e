import { type Random, systemRandom } from '../../src/base/random.ts'
import type {
  Filter,
  FilterCompileContext,
  FilterFactory,
  FilterLayer,
  FilterSettings,
} from '../../src/filters/filter.ts'
import { readFilterConfig, readRouteRules } from './config.ts'
import type { CounterStore } from './counter-store.ts'
import type { DescriptorNode } from './descriptor-tree.ts'
import type { DescriptorRule } from './descriptors.ts'
import { DomainCatalog } from './domains.ts'
import { Findings } from './fields.ts'
import { RateLimitFilter } from './filter.ts'
import { reachesLimit, suggestKey } from './reachability.ts'
import type { RateLimitStats } from './stats.ts'

/** Envoy's global rate limit filter, counted by the gateway itself. */
export class RateLimitFactory implements FilterFactory {
  readonly name = 'rate-limit'
  readonly typeUrls = ['envoy.extensions.filters.http.ratelimit.v3.RateLimit'] as const
  readonly #store: CounterStore
  readonly #stats: RateLimitStats
  readonly #random: Random
  readonly #domains = new DomainCatalog()

  constructor(store: CounterStore, stats: RateLimitStats, random: Random = systemRandom) {
    this.#store = store
    this.#stats = stats
    this.#random = random
  }

  compile(settings: FilterSettings, context: FilterCompileContext): Filter | null {
    // Envoy asks the limiter only for requests that are routed.
    if (settings.action !== 'ROUTE') return null
    const findings = new Findings(context, settings.listener.origin)
    const config = readFilterConfig(settings.listener, findings)
    if (config === null || config.enabled.share === 0) return null
    const byLayer = new Map<FilterLayer, Findings>()
    const route = readRouteRules(settings, config, (layer) => {
      const known = byLayer.get(layer) ?? new Findings(context, layer.origin)
      byLayer.set(layer, known)
      return known
    })
    const domain = route.domain ?? config.domain
    const root = this.#domains.find(domain, settings.listener.origin, context)
    const rules = route.rules.filter(({ stage }) => stage === config.stage)
    if (root === null || rules.length === 0) return null
    const useful = rules.filter((rule) => this.#check(rule, root, domain, context))
    if (useful.length === 0) return null
    return new RateLimitFilter(settings.filterName, {
      config,
      domain,
      root,
      rules: useful,
      store: this.#store,
      stats: this.#stats,
      random: this.#random,
    })
  }

  /** A rule whose keys lead to no limit does nothing; that is hardly ever meant. */
  #check(
    rule: DescriptorRule,
    root: DescriptorNode,
    domain: string,
    context: FilterCompileContext,
  ): boolean {
    if (reachesLimit(root, rule)) return true
    const keys = rule.actions.map(({ key }) => key).join(', ')
    context.report({
      code: 'rate-limit-descriptor-unmatched',
      severity: 'warning',
      origin: rule.origin,
      message: `the descriptor (${keys}) reaches no limit of domain "${domain}"`,
      hint: suggestKey(root, rule),
    })
    return false
  }
}

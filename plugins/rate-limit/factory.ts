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
import { literal } from './literal.ts'
import { reachesLimit, suggestKey } from './reachability.ts'
import type { ServedDomains } from './server/served-domains.ts'
import {
  EMBEDDED,
  INSIDE_ONLY,
  NOBODY,
  type OutsideParts,
  ServiceDecisions,
} from './service/service-decisions.ts'
import { ServiceFilter } from './service/service-filter.ts'
import type { RateLimitStats } from './stats.ts'
import { encodeDomain } from './wire/request-message.ts'

/** Stands for the rules of an external service in metrics: which of them applied it does not say. */
const EXTERNAL_RULE = 'external'

/** Envoy's global rate limit filter, counted by the gateway itself. */
export class RateLimitFactory implements FilterFactory {
  readonly name = 'rate-limit'
  readonly typeUrls = ['envoy.extensions.filters.http.ratelimit.v3.RateLimit'] as const
  readonly #store: CounterStore
  readonly #stats: RateLimitStats
  readonly #random: Random
  readonly #domains = new DomainCatalog()
  readonly #decisions: ServiceDecisions
  readonly #served: ServedDomains | null

  constructor(
    store: CounterStore,
    stats: RateLimitStats,
    random: Random = systemRandom,
    outside: OutsideParts = INSIDE_ONLY,
  ) {
    this.#store = store
    this.#stats = stats
    this.#random = random
    this.#decisions = new ServiceDecisions(outside, this.#domains)
    this.#served = outside.served
  }

  begin(context: FilterCompileContext): void {
    this.#decisions.begin()
    this.#served?.begin(this.#domains, context)
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
    const rules = route.rules.filter(({ stage }) => stage === config.stage)
    const decider = this.#decisions.of(config.service, domain, {
      origin: settings.listener.origin,
      context,
    })
    if (decider === NOBODY) return null
    if (decider !== EMBEDDED) {
      if (rules.length === 0) return null
      return new ServiceFilter(settings.filterName, {
        config,
        domain,
        encodedDomain: encodeDomain(literal(domain)),
        rules,
        service: decider,
        stats: this.#stats,
        counts: this.#stats.rule(domain, EXTERNAL_RULE, 'global'),
        random: this.#random,
      })
    }
    const root = this.#domains.find(domain, settings.listener.origin, context)
    if (root === null || rules.length === 0) return null
    const useful = rules.filter((rule) => this.#check(rule, root, domain, context))
    if (useful.length === 0) return null
    return new RateLimitFilter(settings.filterName, {
      config,
      domain,
      root,
      rootOrigin: this.#domains.originOf(root),
      rules: useful,
      idleRules: rules.filter((rule) => !useful.includes(rule)),
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

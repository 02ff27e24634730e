import type { FilterExchange } from '../../src/filters/filter.ts'
import type { LimitReport } from '../../src/filters/limit-report.ts'
import { pairsOf, shareNotes } from './reported-limit.ts'
import type { ServicePlan } from './service/service-filter.ts'

/** What an external rate limit service would be asked about a request: asking it would count. */
export function reportService(
  filter: string,
  { config, domain, rules, service }: ServicePlan,
  exchange: FilterExchange,
): LimitReport {
  const described = rules.map((rule) => {
    const { entries, failure } = rule.trace(exchange)
    return {
      policy: domain,
      rule: null,
      origin: rule.origin,
      entries: pairsOf(entries),
      applies: failure === null,
      reason: failure,
      shadow: false,
      limitOrigin: null,
      limitLine: null,
      limits: [],
    }
  })
  const asks = described.some(({ applies }) => applies)
  const notes = shareNotes(config.enabled.share, config.enforced.share)
  if (asks) {
    notes.push(
      `rate limit service ${service.name} decides: it is not asked here, which would count`,
    )
    if (!service.available) notes.push('it does not answer now: failure_mode_deny decides')
  }
  return {
    filter,
    kind: 'global',
    notes,
    rules: described,
    decision: asks ? 'unknown' : 'allow',
    status: null,
  }
}

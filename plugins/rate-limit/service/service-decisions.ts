import type { FilterCompileContext, SettingOrigin } from '../../../src/filters/filter.ts'
import type { DomainCatalog } from '../domains.ts'
import type { ServedDomains } from '../server/served-domains.ts'
import type { RateLimitService } from './rate-limit-service.ts'
import type { ServiceReference } from './service-reference.ts'
import type { Services } from './services.ts'

/**
 * Who decides about a domain. `auto`: this process where a descriptor file defines it, else the
 * service that the filter names. `embedded`: always this process. `external`: the service wherever
 * one is named and known.
 */
export const RATE_LIMIT_MODES = ['auto', 'embedded', 'external'] as const
export type RateLimitMode = (typeof RATE_LIMIT_MODES)[number]

/** Counted by this process, if a descriptor file says how. */
export const EMBEDDED = 'embedded'
/** Nothing defines the domain, which was reported. */
export const NOBODY = 'nobody'

/** What the factory of Envoy's filter has to do with others outside this process. */
export interface OutsideParts {
  readonly mode: RateLimitMode
  /** Services that may be asked, or null. */
  readonly services: Services | null
  /** Domains that others may ask about, or null. */
  readonly served: ServedDomains | null
}

export const INSIDE_ONLY: OutsideParts = { mode: 'auto', services: null, served: null }

/** Where the filter stands that names a service. */
interface Asked {
  readonly origin: SettingOrigin
  readonly context: FilterCompileContext
}

/** Chooses who decides about the requests of a filter. */
export class ServiceDecisions {
  readonly #outside: OutsideParts
  readonly #domains: DomainCatalog

  constructor(outside: OutsideParts, domains: DomainCatalog) {
    this.#outside = outside
    this.#domains = domains
  }

  begin(): void {
    this.#outside.services?.begin()
  }

  of(
    reference: ServiceReference | null,
    domain: string,
    asked: Asked,
  ): RateLimitService | typeof EMBEDDED | typeof NOBODY {
    const { mode, services } = this.#outside
    if (mode === 'embedded' || services === null || reference === null) return EMBEDDED
    const defined = this.#domains.defines(domain, asked.context)
    if (mode === 'auto' && defined) return EMBEDDED
    const service = services.find(reference, asked.context)
    if (typeof service !== 'string') return service
    const consequence = defined ? 'its descriptor file is counted here' : 'nothing is limited'
    asked.context.report({
      code: 'rate-limit-service-unknown',
      severity: 'warning',
      origin: { ...asked.origin, path: [...asked.origin.path, 'rate_limit_service'] },
      message: `the rate limit service of domain "${domain}" cannot be asked (${service}): ${consequence}`,
      hint: `Name a Service or ServiceEntry as outbound|port||host, add the cluster with a CLUSTER patch, or add a ConfigMap with "domain: ${domain}".`,
    })
    return defined ? EMBEDDED : NOBODY
  }
}

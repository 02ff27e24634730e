import {
  ANSWERED,
  CONTINUE,
  type Filter,
  type FilterExchange,
  type ResponseEditor,
  type Verdict,
} from '../../src/filters/filter.ts'
import { Headers } from '../../src/filters/headers.ts'
import type { CorsPolicy } from './policy.ts'

/** Answers preflights and lets browsers read answers (Istio VirtualService.http.corsPolicy). */
export class CorsFilter implements Filter {
  readonly name = 'cors'
  readonly #policy: CorsPolicy

  constructor(policy: CorsPolicy) {
    this.#policy = policy
  }

  onRequest(exchange: FilterExchange): Verdict {
    const { method, headers } = exchange.request
    const origin = headers.combined('origin')
    if (origin === null || origin === '') {
      exchange.editResponse(BY_ORIGIN)
      return CONTINUE
    }
    const isAllowed = this.#policy.allows(origin)
    const asked = method === 'OPTIONS' ? headers.combined('access-control-request-method') : null
    if (asked === null || asked === '') {
      exchange.editResponse(isAllowed ? new Grant(this.#policy, origin) : BY_ORIGIN)
      return CONTINUE
    }
    if (!isAllowed && this.#policy.forwardsUnmatched) {
      exchange.editResponse(BY_ORIGIN)
      return CONTINUE
    }
    const askedHeaders = headers.combined('access-control-request-headers')
    exchange.editResponse(
      isAllowed ? new Preflight(this.#policy, origin, asked, askedHeaders) : BY_ORIGIN,
    )
    exchange.answer(200, new Headers(), '', '', 'cors_response')
    return ANSWERED
  }

  describe(): Readonly<Record<string, unknown>> {
    return this.#policy.describe()
  }
}

/**
 * A cache must not hand the answer for one origin, or for none, to another (Fetch, "CORS protocol
 * and HTTP caches"): Vary names Origin wherever a policy stands.
 */
function varyByOrigin(headers: Headers): void {
  const vary = headers.combined('vary')
  if (vary === null || vary === '') headers.set('vary', 'Origin')
  else if (!NAMES_ORIGIN.test(vary)) headers.set('vary', `${vary}, Origin`)
}

const NAMES_ORIGIN = /(?:^|,)[ \t]*(?:origin|\*)[ \t]*(?:,|$)/i

const BY_ORIGIN: ResponseEditor = { editResponse: varyByOrigin }

/** What the gateway says of an origin replaces what an upstream said, all of it. */
function grantOrigin(headers: Headers, policy: CorsPolicy, origin: string): void {
  headers.set('access-control-allow-origin', origin)
  if (policy.allowCredentials) headers.set('access-control-allow-credentials', 'true')
  else headers.remove('access-control-allow-credentials')
}

/** The response to a request from an allowed origin. */
class Grant implements ResponseEditor {
  readonly #policy: CorsPolicy
  /** As it came: request header operations may change or remove it. */
  readonly #origin: string

  constructor(policy: CorsPolicy, origin: string) {
    this.#policy = policy
    this.#origin = origin
  }

  editResponse(headers: Headers): void {
    const { exposeHeaders } = this.#policy
    grantOrigin(headers, this.#policy, this.#origin)
    if (exposeHeaders !== null) headers.set('access-control-expose-headers', exposeHeaders)
    varyByOrigin(headers)
  }
}

/** The answer to a preflight from an allowed origin. */
class Preflight implements ResponseEditor {
  readonly #policy: CorsPolicy
  readonly #origin: string
  readonly #method: string
  readonly #headers: string | null

  constructor(policy: CorsPolicy, origin: string, method: string, headers: string | null) {
    this.#policy = policy
    this.#origin = origin
    this.#method = method
    this.#headers = headers
  }

  editResponse(headers: Headers): void {
    const policy = this.#policy
    const allowMethods = policy.methodsFor(this.#method)
    const allowHeaders = policy.headersFor(this.#headers)
    grantOrigin(headers, policy, this.#origin)
    if (allowMethods !== null) headers.set('access-control-allow-methods', allowMethods)
    if (allowHeaders !== null) headers.set('access-control-allow-headers', allowHeaders)
    if (policy.maxAge !== null) headers.set('access-control-max-age', policy.maxAge)
    varyByOrigin(headers)
  }
}

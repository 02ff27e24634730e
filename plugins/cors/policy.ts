import { parseDurationMs } from '../../src/base/duration.ts'
import type { FilterCompileContext, ValueMatcher } from '../../src/filters/filter.ts'

/** VirtualService.http.corsPolicy as configuration hands it over: shape and values are checked there. */
export interface CorsSetting {
  readonly allowOrigin?: readonly string[]
  readonly allowOrigins?: readonly OriginMatch[]
  readonly allowMethods?: readonly string[]
  readonly allowHeaders?: readonly string[]
  readonly exposeHeaders?: readonly string[]
  readonly maxAge?: string
  readonly allowCredentials?: boolean
  readonly unmatchedPreflights?: string
}

interface OriginMatch {
  readonly exact?: string
  readonly prefix?: string
  readonly regex?: string
}

const ANY = '*'

/** One compiled policy; header values are ready to be sent, null for a header that is not. */
export class CorsPolicy {
  readonly #setting: CorsSetting
  readonly #anyOrigin: boolean
  readonly #origins: readonly ValueMatcher[]
  readonly #methods: string | null
  readonly #headers: string | null
  readonly exposeHeaders: string | null
  /** Seconds. */
  readonly maxAge: string | null
  readonly allowCredentials: boolean
  /** A preflight from an origin that is not allowed goes upstream; else it is answered here. */
  readonly forwardsUnmatched: boolean

  constructor(setting: CorsSetting, context: Pick<FilterCompileContext, 'stringMatcher'>) {
    const matches = originMatches(setting)
    this.#setting = setting
    this.#anyOrigin = matches.some(({ exact }) => exact === ANY)
    this.#origins = matches
      .filter((match) => Object.keys(match).length > 0)
      .map((match) => context.stringMatcher(match))
      .filter((matcher) => typeof matcher !== 'string')
    this.#methods = joined(setting.allowMethods)
    this.#headers = joined(setting.allowHeaders)
    this.exposeHeaders = joined(setting.exposeHeaders)
    const maxAgeMs = setting.maxAge === undefined ? null : parseDurationMs(setting.maxAge)
    this.maxAge = maxAgeMs === null ? null : String(Math.trunc(maxAgeMs / 1000))
    this.allowCredentials = setting.allowCredentials === true
    this.forwardsUnmatched = setting.unmatchedPreflights !== 'IGNORE'
  }

  allows(origin: string): boolean {
    if (this.#anyOrigin) return true
    const origins = this.#origins
    for (let i = 0; i < origins.length; i++) if (origins[i]!.matches(origin)) return true
    return false
  }

  /** access-control-allow-methods of a preflight that asked for `requested`. */
  methodsFor(requested: string): string | null {
    return this.#methods === ANY ? requested : this.#methods
  }

  /** access-control-allow-headers of a preflight that asked for `requested`. */
  headersFor(requested: string | null): string | null {
    return this.#headers === ANY ? requested : this.#headers
  }

  describe(): Readonly<Record<string, unknown>> {
    return {
      allowOrigins: originMatches(this.#setting),
      allowMethods: this.#methods,
      allowHeaders: this.#headers,
      exposeHeaders: this.exposeHeaders,
      maxAge: this.maxAge,
      allowCredentials: this.allowCredentials,
      unmatchedPreflights: this.forwardsUnmatched ? 'FORWARD' : 'IGNORE',
    }
  }
}

/** The deprecated list of exact origins counts only without the new one. */
function originMatches({ allowOrigins, allowOrigin }: CorsSetting): readonly OriginMatch[] {
  if (allowOrigins !== undefined && allowOrigins.length > 0) return allowOrigins
  return (allowOrigin ?? []).map((exact) => ({ exact }))
}

/** The list as a header value; `*` among others stands for all of them. */
function joined(list: readonly string[] | undefined): string | null {
  if (list === undefined || list.length === 0) return null
  return list.includes(ANY) ? ANY : list.join(',')
}

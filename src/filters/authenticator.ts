import type { Claims } from '../base/claims.ts'
import type { Request } from '../http/request.ts'
import type { FilterExchange, SettingOrigin, Verdict } from './filter.ts'

/** Hears what an authenticator finds out about the client of an exchange. */
export interface ClientSink {
  /** The client's token is good and says this. */
  identify(claims: Claims): void
  /** What the log shows as the path that was asked for: credentials are not to be read there. */
  showPath(path: string): void
}

/** Decides who a client is. Shared by all requests of its listeners: holds no request state. */
export interface Authenticator {
  /** Tells `client` what the log may show of the path, whether the request is asked or not. */
  conceal(request: Request, client: ClientSink): void
  /**
   * As Filter.onRequest, before a route is chosen. `client` is told what comes of it before the
   * exchange goes on; without `identify` nobody is known.
   */
  authenticate(exchange: FilterExchange, client: ClientSink): Verdict
  /** What it would decide but for signatures, which are not looked at; for people. */
  inspect(request: Request): Inspection
  /** Its settings for people (`/config_dump`), without secrets. */
  describe(): Readonly<Record<string, unknown>>
}

/** An authenticator held against a request that only asks. */
export interface Inspection {
  /** `preflight`: nothing is asked; `anonymous`: no token; `valid`: if its signature is. */
  readonly result: 'preflight' | 'anonymous' | 'valid' | 'refused'
  /** Of a refusal, else 0. */
  readonly status: number
  /** One line: why, and which rule. */
  readonly text: string
  readonly claims: Claims | null
}

/** RequestAuthentication jwtRules[], with Istio's defaults filled in. Absent texts are ''. */
export interface JwtRule {
  /** '': tokens of every issuer. */
  readonly issuer: string
  /** Empty: every audience. */
  readonly audiences: readonly string[]
  readonly jwks: string
  readonly jwksUri: string
  readonly timeoutMs: number
  /** Names are lower-case. All three empty: Authorization with Bearer, and access_token. */
  readonly fromHeaders: readonly { readonly name: string; readonly prefix: string }[]
  readonly fromParams: readonly string[]
  readonly fromCookies: readonly string[]
  /** Lower-case. */
  readonly outputPayloadToHeader: string
  readonly outputClaimToHeaders: readonly { readonly header: string; readonly claim: string }[]
  readonly forwardOriginalToken: boolean
  /** Claims of which a text counts as the list of its words. */
  readonly spaceDelimitedClaims: readonly string[]
  readonly origin: SettingOrigin
}

/** Turns rules into what enforces them. What it learned of a rule outlives configuration changes. */
export interface AuthenticatorFactory {
  /** Called once before the authenticators of a compilation. */
  begin(): void
  compile(rules: readonly JwtRule[]): Authenticator
}

import { hash } from 'node:crypto'
import type { Authenticator, ClientSink, Inspection } from '../../src/filters/authenticator.ts'
import {
  ANSWERED,
  CONTINUE,
  type FilterExchange,
  type Verdict,
  WAIT,
} from '../../src/filters/filter.ts'
import type { Identity } from './identity.ts'
import {
  BAD_SIGNATURE,
  JwtFailure,
  SEVERAL_TOKENS,
  TOO_LARGE,
  UNKNOWN_ISSUER,
  WRONG_AUDIENCE,
} from './jwt-failure.ts'
import { refuseToken } from './refusal.ts'
import type { RuleVerifier } from './rule-verifier.ts'
import type { JwtStats } from './stats.ts'
import { MAX_TOKEN_CHARS, parseToken, Token } from './token.ts'
import { placesOf, type TokenPlace } from './token-place.ts'

type Request = FilterExchange['request']

/** A place with the rules that look there. */
interface Watched {
  readonly place: TokenPlace
  readonly rules: readonly RuleVerifier[]
}

/** A token as it came. */
interface FoundToken {
  readonly text: string
  readonly rules: readonly RuleVerifier[]
}

/** A token that is well-formed and in time, with the rules that may prove it. */
interface Candidate {
  readonly token: Token
  readonly rules: readonly RuleVerifier[]
}

/** The rules of all RequestAuthentications that apply to some listeners. */
export class JwtAuthenticator implements Authenticator {
  readonly #watched: readonly Watched[]
  /** Headers that only tokens write. */
  readonly #own: readonly string[]
  readonly #rules: readonly RuleVerifier[]
  readonly #stats: JwtStats
  /** Milliseconds since the epoch. */
  readonly #now: () => number

  constructor(rules: readonly RuleVerifier[], stats: JwtStats, now: () => number) {
    this.#rules = rules
    this.#watched = watchedPlaces(rules)
    this.#own = [...new Set(rules.flatMap(({ outputs }) => outputs.headers))]
    this.#stats = stats
    this.#now = now
  }

  conceal(request: Request, client: ClientSink): void {
    if (request.query === '') return
    const sent = request.path + request.query
    let path = sent
    for (const { place } of this.#watched) path = place.conceal(path)
    if (path !== sent) client.showPath(path)
  }

  authenticate(exchange: FilterExchange, client: ClientSink): Verdict {
    const { request } = exchange
    if (isPreflight(request)) {
      this.#removeOwn(request)
      this.#stats.preflights++
      return CONTINUE
    }
    const found = this.#find(request)
    if (found === null) {
      this.#removeOwn(request)
      this.#stats.anonymous++
      return CONTINUE
    }
    if (found instanceof JwtFailure) return this.#refuse(exchange, found)
    const { text, rules } = found
    const digest = hash('sha256', text, 'base64url')
    for (const rule of rules) {
      const identity = rule.cached(digest, this.#now())
      if (identity === null) continue
      this.#stats.cached++
      this.#accept(request, client, rule, identity)
      return CONTINUE
    }
    const candidate = this.#candidate(found)
    if (candidate instanceof JwtFailure) return this.#refuse(exchange, candidate)
    void this.#verify(exchange, client, candidate, digest)
    return WAIT
  }

  inspect(request: Request): Inspection {
    const nothing = { status: 0, claims: null }
    if (isPreflight(request)) {
      return { ...nothing, result: 'preflight', text: 'a CORS preflight needs no token' }
    }
    const found = this.#find(request)
    if (found === null) {
      return { ...nothing, result: 'anonymous', text: 'no token: the request has no identity' }
    }
    const candidate = found instanceof JwtFailure ? found : this.#candidate(found)
    if (candidate instanceof JwtFailure) {
      const { status } = candidate
      return { status, claims: null, result: 'refused', text: candidate.text }
    }
    const [first] = candidate.rules
    const { namespace, name } = first!.rule.origin
    const { claims } = first!.outputs.of(candidate.token)
    const summary = `the token passes RequestAuthentication ${namespace}/${name} if its signature is good (not checked here)`
    return { status: 0, claims, result: 'valid', text: summary }
  }

  describe(): Readonly<Record<string, unknown>> {
    return {
      rules: this.#rules.map(({ rule }) => ({
        from: `${rule.origin.namespace}/${rule.origin.name}`,
        issuer: rule.issuer,
        audiences: rule.audiences,
        keys: rule.jwks !== '' ? 'inline' : rule.jwksUri || 'discovered',
        forwardOriginalToken: rule.forwardOriginalToken,
      })),
    }
  }

  /** Never rejects; whatever goes wrong refuses the token. */
  async #verify(
    exchange: FilterExchange,
    client: ClientSink,
    { token, rules }: Candidate,
    digest: string,
  ): Promise<void> {
    let failure = BAD_SIGNATURE
    for (const rule of rules) {
      const verified = await rule.verify(token, digest).catch(() => BAD_SIGNATURE)
      if (exchange.ended) return
      if (!(verified instanceof JwtFailure)) {
        this.#accept(exchange.request, client, rule, verified)
        exchange.resume()
        return
      }
      failure = verified
    }
    this.#refuse(exchange, failure)
  }

  /** The one token of a request, with the rules that look where it is; null: there is none. */
  #find(request: Request): FoundToken | JwtFailure | null {
    const tokens: string[] = []
    let rules: readonly RuleVerifier[] = []
    for (const { place, rules: looking } of this.#watched) {
      const before = tokens.length
      place.find(request, tokens)
      if (tokens.length === before) continue
      rules = before === 0 ? looking : [...new Set([...rules, ...looking])]
    }
    const text = tokens[0]
    if (text === undefined) return null
    if (tokens.some((token) => token !== text)) return SEVERAL_TOKENS
    return text.length > MAX_TOKEN_CHARS ? TOO_LARGE : { text, rules }
  }

  #candidate({ text, rules }: FoundToken): Candidate | JwtFailure {
    const token = parseToken(text)
    if (!(token instanceof Token)) return token
    const issuers = rules.filter((rule) => rule.isIssuer(token))
    if (issuers.length === 0) return UNKNOWN_ISSUER
    const late = token.timeFailure(this.#now())
    if (late !== null) return late
    const meant = issuers.filter((rule) => rule.isAudience(token))
    if (meant.length === 0) return WRONG_AUDIENCE
    return { token, rules: meant }
  }

  #accept(request: Request, client: ClientSink, { rule }: RuleVerifier, identity: Identity): void {
    if (!rule.forwardOriginalToken) this.#removeTokens(request)
    this.#removeOwn(request)
    const { fields } = identity
    for (let i = 0; i < fields.length; i += 2) request.headers.set(fields[i]!, fields[i + 1]!)
    client.identify(identity.claims)
    this.#stats.allowed++
  }

  #refuse(exchange: FilterExchange, failure: JwtFailure): Verdict {
    if (!exchange.ended) {
      this.#stats.deny(failure.reason)
      // It goes nowhere, and whatever the log shows of the request is not to show a token.
      this.#removeTokens(exchange.request)
      refuseToken(exchange, failure)
    }
    return ANSWERED
  }

  /** Only tokens write them: what a client sends under these names is a forgery. */
  #removeOwn({ headers }: Request): void {
    for (const name of this.#own) headers.remove(name)
  }

  #removeTokens(request: Request): void {
    for (const { place } of this.#watched) place.remove(request)
  }
}

/** CORS preflights carry no credentials (Fetch 4.8); BypassCorsPreflight, as Istio sets it. */
function isPreflight({ method, headers }: Request): boolean {
  if (method !== 'OPTIONS') return false
  const origin = headers.get('origin')
  const asked = headers.get('access-control-request-method')
  return origin !== null && origin !== '' && asked !== null && asked !== ''
}

function watchedPlaces(rules: readonly RuleVerifier[]): readonly Watched[] {
  const watched = new Map<string, { place: TokenPlace; rules: RuleVerifier[] }>()
  for (const rule of rules) {
    for (const place of placesOf(rule.rule)) {
      const known = watched.get(place.key)
      if (known === undefined) watched.set(place.key, { place, rules: [rule] })
      else if (!known.rules.includes(rule)) known.rules.push(rule)
    }
  }
  return [...watched.values()]
}

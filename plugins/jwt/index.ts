import { type Now, monotonicNow } from '../../src/base/clock.ts'
import { canonicalDigest } from '../../src/base/digest.ts'
import type {
  Authenticator,
  AuthenticatorFactory,
  JwtRule,
} from '../../src/filters/authenticator.ts'
import { keyPlaceOf } from './jwks-fetch.ts'
import { JwtAuthenticator } from './jwt-authenticator.ts'
import { parseKeySet } from './key-set.ts'
import { FixedKeys, type KeySource, RemoteKeys } from './key-source.ts'
import { RuleVerifier } from './rule-verifier.ts'
import { JwtStats } from './stats.ts'

export interface JwtOptions {
  readonly log: (level: 'info' | 'warn', message: string) => void
  /** Milliseconds since the epoch, for the times in tokens. */
  readonly wallClock?: () => number
  readonly now?: Now
}

/** What is known of the rules of one generation. */
interface Known {
  readonly verifiers: Map<string, RuleVerifier>
  readonly sources: Map<string, RemoteKeys>
}

/**
 * Istio's RequestAuthentication. Keys and verified tokens belong to their rules, not to a snapshot:
 * a rule that stays the same keeps them. `close` ends what is being fetched.
 */
export class JwtAuthentication implements AuthenticatorFactory {
  readonly stats = new JwtStats()
  readonly #options: JwtOptions
  #serving: Known = nothing()
  /** Of the compilation under way. */
  #compiled: Known = nothing()

  constructor(options: JwtOptions) {
    this.#options = options
  }

  begin(): void {
    this.#compiled = nothing()
  }

  compile(rules: readonly JwtRule[]): Authenticator {
    const verifiers = rules.map((rule) => this.#verifierOf(rule))
    return new JwtAuthenticator(verifiers, this.stats, this.#options.wallClock ?? Date.now)
  }

  /** What was compiled last is served from now on; the rest is forgotten. */
  published(): void {
    this.#serving = this.#compiled
  }

  close(): void {
    for (const { sources } of [this.#serving, this.#compiled]) {
      for (const source of sources.values()) source.close()
    }
  }

  #verifierOf(rule: JwtRule): RuleVerifier {
    const { origin: _origin, ...terms } = rule
    const key = canonicalDigest(terms)
    let verifier = this.#compiled.verifiers.get(key) ?? this.#serving.verifiers.get(key)
    const keys = this.#keysOf(rule)
    verifier ??= new RuleVerifier(rule, keys)
    this.#compiled.verifiers.set(key, verifier)
    return verifier
  }

  #keysOf(rule: JwtRule): KeySource {
    if (rule.jwks !== '') return new FixedKeys(parseKeySet(rule.jwks, true))
    const place = keyPlaceOf(rule)
    if (place === null) return new FixedKeys(null)
    const key = `${place.url} ${rule.timeoutMs}`
    let source = this.#compiled.sources.get(key) ?? this.#serving.sources.get(key)
    source ??= new RemoteKeys({
      place,
      timeoutMs: rule.timeoutMs,
      now: this.#options.now ?? monotonicNow,
      stats: this.stats,
      log: this.#options.log,
    })
    this.#compiled.sources.set(key, source)
    return source
  }
}

function nothing(): Known {
  return { verifiers: new Map(), sources: new Map() }
}

import { CorsFactory } from '../../plugins/cors/index.ts'
import { FaultFactory } from '../../plugins/fault/index.ts'
import { JwtAuthentication } from '../../plugins/jwt/index.ts'
import {
  createRateLimit,
  type RateLimit,
  type RateLimitOptions,
} from '../../plugins/rate-limit/index.ts'
import type { RateLimitServer } from '../../plugins/rate-limit/server/rate-limit-server.ts'
import type { FilterFactory } from '../filters/filter.ts'
import { FilterRegistry } from '../filters/registry.ts'
import { formatBindAddress } from '../listeners/bind-address.ts'
import type { FaultCounts } from '../telemetry/fault-stats.ts'
import type { JwtCounts } from '../telemetry/jwt-stats.ts'
import type { RateLimitCounts } from '../telemetry/rate-limit-stats.ts'
import type { RateLimitStoreState } from '../telemetry/rate-limit-store.ts'
import type { ConfigurationOptions } from './configuration.ts'
import type { RateLimitServerSettings } from './run-options.ts'
import { bindOrExplain } from './start-error.ts'

/** What is counted where filters run. */
interface FilterCounts {
  readonly faults: FaultCounts
  readonly jwt: JwtCounts
  readonly rateLimits: () => readonly RateLimitCounts[]
  readonly rateLimitStore: () => RateLimitStoreState
}

/** The filters that come with the gateway, with the state that belongs to them. */
export class BuiltInFilters {
  readonly faults = new FaultFactory()
  readonly rateLimit: RateLimit
  readonly jwt: JwtAuthentication
  #server: RateLimitServer | null = null
  /** In order of registration. */
  readonly factories: readonly FilterFactory[]

  /** Throws when the Redis URL is none. */
  constructor(options: RateLimitOptions) {
    this.rateLimit = createRateLimit(options)
    this.jwt = new JwtAuthentication({ log: options.log })
    const registry = new FilterRegistry()
    registry.add(this.faults)
    registry.add(new CorsFactory())
    for (const factory of this.rateLimit.factories) registry.add(factory)
    this.factories = registry.factories
  }

  /** What a configuration is compiled with. */
  get compilers(): Pick<ConfigurationOptions, 'filterFactories' | 'authenticators'> {
    return { filterFactories: this.factories, authenticators: this.jwt }
  }

  /** What metrics tell of them, read when somebody scrapes. */
  get counts(): FilterCounts {
    const { faults, jwt, rateLimit } = this
    return {
      faults: faults.stats,
      jwt: jwt.stats,
      rateLimits: () => rateLimit.stats.rules,
      rateLimitStore: () => rateLimit.storeStatus(),
    }
  }

  /** Filters that only compile: nothing is counted anywhere. */
  static forCompilation(mode: RateLimitOptions['mode'] = 'auto'): BuiltInFilters {
    return new BuiltInFilters({ redisUrl: null, mode, log: () => undefined })
  }

  /** What was compiled last is served from now on. */
  published(): void {
    this.rateLimit.published()
    this.jwt.published()
  }

  /** Answers others that ask about rate limits, on the port returned. Throws StartError. */
  async serve(settings: RateLimitServerSettings | undefined): Promise<number | undefined> {
    if (settings === undefined) return undefined
    const { listen, responseHeaders } = settings
    this.#server = await bindOrExplain('--rate-limit-server', listen, () =>
      this.rateLimit.serve({ ...listen, responseHeaders }),
    )
    return this.#server.port
  }

  get serverAddress(): string | null {
    return this.#server === null ? null : formatBindAddress(this.#server)
  }

  /** Somebody waits for an answer. */
  get isAsked(): boolean {
    return this.#server !== null && this.#server.openCalls > 0
  }

  /** Whoever asks is told to ask elsewhere. */
  leave(): void {
    this.#server?.leave()
  }

  /** Nobody new is answered; calls that are open have `graceMs` to end. */
  drain(graceMs: number): void {
    this.#server?.drain(graceMs)
  }

  async close(): Promise<void> {
    this.jwt.close()
    await this.#server?.close()
    await this.rateLimit.close()
  }
}

import { CorsFactory } from '../../plugins/cors/index.ts'
import { FaultFactory } from '../../plugins/fault/index.ts'
import {
  createRateLimit,
  type RateLimit,
  type RateLimitOptions,
} from '../../plugins/rate-limit/index.ts'
import type { RateLimitServer } from '../../plugins/rate-limit/server/rate-limit-server.ts'
import type { FilterFactory } from '../filters/filter.ts'
import { FilterRegistry } from '../filters/registry.ts'
import { formatBindAddress } from '../listeners/bind-address.ts'
import type { RateLimitServerSettings } from './run-options.ts'
import { bindOrExplain } from './start-error.ts'

/** The filters that come with the gateway, with the state that belongs to them. */
export class BuiltInFilters {
  readonly faults = new FaultFactory()
  readonly rateLimit: RateLimit
  #server: RateLimitServer | null = null
  /** In order of registration. */
  readonly factories: readonly FilterFactory[]

  /** Throws when the Redis URL is none. */
  constructor(options: RateLimitOptions) {
    this.rateLimit = createRateLimit(options)
    const registry = new FilterRegistry()
    registry.add(this.faults)
    registry.add(new CorsFactory())
    for (const factory of this.rateLimit.factories) registry.add(factory)
    this.factories = registry.factories
  }

  /** Filters that only compile: nothing is counted anywhere. */
  static forCompilation(): BuiltInFilters {
    return new BuiltInFilters({ redisUrl: null, log: () => undefined })
  }

  /** What was compiled last is served from now on. */
  published(): void {
    this.rateLimit.published()
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
    await this.#server?.close()
    await this.rateLimit.close()
  }
}

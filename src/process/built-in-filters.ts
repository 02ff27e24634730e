import { CorsFactory } from '../../plugins/cors/index.ts'
import { FaultFactory } from '../../plugins/fault/index.ts'
import {
  createRateLimit,
  type RateLimit,
  type RateLimitOptions,
} from '../../plugins/rate-limit/index.ts'
import type { FilterFactory } from '../filters/filter.ts'
import { FilterRegistry } from '../filters/registry.ts'

/** The filters that come with the gateway, with the state that belongs to them. */
export class BuiltInFilters {
  readonly faults = new FaultFactory()
  readonly rateLimit: RateLimit
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

  close(): Promise<void> {
    return this.rateLimit.close()
  }
}

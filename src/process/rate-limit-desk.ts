import type { RateLimit } from '../../plugins/rate-limit/index.ts'
import type { RateLimitActivity } from '../admin/admin-state.ts'
import type {
  HotLimit,
  LimitReset,
  LimitResetOutcome,
  LimitResetProblem,
} from '../filters/limit-report.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { filtersOf } from './limit-filters.ts'
import type { Logger } from './log.ts'

/** The rate limits of a running gateway, for whoever looks on. */
export class RateLimitDesk {
  readonly #rateLimit: RateLimit
  readonly #snapshot: () => Snapshot | null
  readonly #log: Logger

  /** `snapshot` gives the one that serves. */
  constructor(rateLimit: RateLimit, snapshot: () => Snapshot | null, log: Logger) {
    this.#rateLimit = rateLimit
    this.#snapshot = snapshot
    this.#log = log
  }

  get store(): RateLimitActivity['store'] {
    return this.#rateLimit.storeStatus()
  }

  get rules(): RateLimitActivity['rules'] {
    return this.#rateLimit.stats.rules
  }

  /** Where rate limits are counted, and what each rule did. */
  get activity(): RateLimitActivity {
    const { store, rules } = this
    return { store, rules, hotKeys: this.#rateLimit.stats.hot.list() }
  }

  /** Counters met near or over their limit, as they stand now. */
  hotLimits(): Promise<readonly HotLimit[]> {
    return this.#rateLimit.hotLimits()
  }

  /** Forgets counters of limits in force. The log says whose; names of counters may hold client data. */
  async reset(asked: LimitReset): Promise<LimitResetOutcome | LimitResetProblem> {
    const snapshot = this.#snapshot()
    const outcome = await this.#rateLimit.reset(asked, snapshot === null ? [] : filtersOf(snapshot))
    if ('counters' in outcome) {
      const { policy, domain, rule } = asked
      const { counters, reset } = outcome
      this.#log.info({ policy, domain, rule, counters, reset }, 'rate limit counters were reset')
    }
    return outcome
  }
}

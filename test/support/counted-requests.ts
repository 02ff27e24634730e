import {
  type Charge,
  COUNTED,
  type CounterStore,
  EACH,
  PENDING,
} from '../../plugins/rate-limit/counter-store.ts'
import { LimitCheck, type Quota } from '../../plugins/rate-limit/limit-check.ts'

/** What became of one request that was held against a store. */
export interface CountedRequest {
  readonly result: 'admitted' | 'refused' | 'failed'
  /** The answer was there at once: nobody was asked. */
  readonly atOnce: boolean
  readonly checks: readonly LimitCheck[]
  /** Milliseconds since the epoch. */
  readonly sentAt: number
  readonly answeredAt: number
}

export interface AskedLimit {
  readonly key: string
  readonly quota: Quota
  readonly cost?: number
  readonly enforces?: boolean
}

/** Holds one request against a store, as a filter does. */
export function countRequest(
  store: CounterStore,
  limits: readonly AskedLimit[],
  { charge = EACH, timeoutMs = 5000 }: { charge?: Charge; timeoutMs?: number } = {},
): Promise<CountedRequest> {
  const checks = limits.map(
    ({ key, quota, cost = 1, enforces = true }) => new LimitCheck(key, quota, cost, enforces),
  )
  const sentAt = Date.now()
  return new Promise((resolve) => {
    const end = (failed: boolean, atOnce: boolean): void => {
      const refused = checks.some((check) => check.over && check.enforces)
      const result = failed ? 'failed' : refused ? 'refused' : 'admitted'
      resolve({ result, atOnce, checks, sentAt, answeredAt: Date.now() })
    }
    const asked = store.count({
      checks,
      charge,
      timeoutMs,
      counted: () => end(false, false),
      failed: () => end(true, false),
    })
    if (asked !== PENDING) end(asked !== COUNTED, true)
  })
}

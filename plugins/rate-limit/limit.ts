import { FIXED_WINDOW, type Quota } from './limit-check.ts'

/** Seconds in a window; month and year are 30 and 365 days (envoyproxy/ratelimit). */
export const UNIT_SECONDS = {
  SECOND: 1,
  MINUTE: 60,
  HOUR: 3600,
  DAY: 86_400,
  WEEK: 604_800,
  MONTH: 2_592_000,
  YEAR: 31_536_000,
} as const

export type Unit = keyof typeof UNIT_SECONDS

export function isUnit(text: string): text is Unit {
  return Object.hasOwn(UNIT_SECONDS, text)
}

/** `rate_limit` of one descriptor, with the flags that stand beside it. */
export interface Limit {
  /** A fixed window; 0 requests ban. Not looked at when unlimited. */
  readonly quota: Quota
  readonly unlimited: boolean
  /** Keys and values that lead to it, as configured: `PATH_/limited.user`. */
  readonly path: string
  /** 1-based line of its descriptor in the file; null: not known (anchors were written out). */
  readonly line: number | null
  /** '' when it has none. */
  readonly name: string
  /** Names of limits that do not count when this one is matched in the same request. */
  readonly replaces: readonly string[]
  /** Counts but never denies. */
  readonly shadowMode: boolean
  /** Denies only when every quota limit of the request is used up. */
  readonly quotaMode: boolean
}

/** So many requests in each window of so many seconds (envoyproxy/ratelimit). */
export function fixedQuota(requests: number, windowSeconds: number): Quota {
  return {
    algorithm: FIXED_WINDOW,
    limit: requests,
    periodMs: windowSeconds * 1000,
    burst: requests,
  }
}

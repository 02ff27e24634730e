import { fromBytes } from '../../src/base/latin1.ts'
import type { LimitReport, ReportedLimit } from '../../src/filters/limit-report.ts'
import { FIXED_WINDOW, GCRA, type LimitCheck, type Quota } from './limit-check.ts'

export function algorithmName({ algorithm }: Quota): ReportedLimit['algorithm'] {
  if (algorithm === GCRA) return 'gcra'
  return algorithm === FIXED_WINDOW ? 'fixedWindow' : 'slidingWindow'
}

/** Units that fit at once. */
export function capacity({ algorithm, limit, burst }: Quota): number {
  return algorithm === GCRA ? burst : limit
}

/** A limit with the state that its check was answered; `looked` false: it was not. */
export function reportLimit(check: LimitCheck, looked: boolean): ReportedLimit {
  const { key, quota, cost, over, remaining, retryMs, resetMs } = check
  return {
    key: fromBytes(key),
    algorithm: algorithmName(quota),
    requests: quota.limit,
    periodMs: quota.periodMs,
    burst: quota.burst,
    cost,
    state: looked ? { used: capacity(quota) - remaining, remaining, over, retryMs, resetMs } : null,
  }
}

/** Key, value, key, value as pairs of text. */
export function pairsOf(entries: readonly string[]): readonly (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = []
  for (let i = 0; i < entries.length; i += 2) {
    pairs.push([fromBytes(entries[i] ?? ''), fromBytes(entries[i + 1] ?? '')])
  }
  return pairs
}

/** Shares of requests that are not all of them. */
export function shareNotes(enabled: number, enforced: number): string[] {
  const notes: string[] = []
  if (enabled < 1) notes.push(`filter_enabled: ${percent(enabled)} of requests are counted`)
  if (enforced < 1) notes.push(`filter_enforced: ${percent(enforced)} of denials are enforced`)
  return notes
}

/** Envoy's finest share is a millionth. */
const MILLION = 1e6
const MILLIONTHS_PER_PERCENT = 1e4

function percent(share: number): string {
  return `${Math.round(share * MILLION) / MILLIONTHS_PER_PERCENT} %`
}

/** What a refusal comes to; `looked` false: nobody knows whether there is one. */
export function decisionOf(
  refuses: boolean,
  looked: boolean,
  status: number,
): Pick<LimitReport, 'decision' | 'status'> {
  if (!looked) return { decision: 'unknown', status: null }
  return refuses ? { decision: 'deny', status } : { decision: 'allow', status: null }
}

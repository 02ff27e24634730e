import type { Random } from '../base/random.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** Long-lived certificates are not renewed earlier than this before their end. */
const EARLIEST_MS = 30 * DAY_MS
/** Of the time between renewal and end, how much chance may bring it forward. */
const JITTER = 0.1

/**
 * When a certificate is to be renewed, milliseconds since the epoch: a third of its lifetime before
 * its end, at most 30 days, and a little earlier by chance so that many do not come due together.
 */
export function renewalTime(
  { notBeforeMs, notAfterMs }: { notBeforeMs: number; notAfterMs: number },
  random: Random,
): number {
  const before = Math.min((notAfterMs - notBeforeMs) / 3, EARLIEST_MS)
  return notAfterMs - before * (1 + JITTER * random())
}

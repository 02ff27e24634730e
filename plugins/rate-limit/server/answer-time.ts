/**
 * Longest waits for counters in milliseconds: few lengths, so that one timer serves many requests.
 * Callers say how long they wait themselves; who says nothing waits the longest.
 */
const WAITS_MS = [25, 50, 100, 250, 500, 1000] as const
const LONGEST_MS = 1000

/** The wait for a caller that is gone in `remainingMs`. */
export function answerTimeMs(remainingMs: number): number {
  return WAITS_MS.find((wait) => wait >= remainingMs) ?? LONGEST_MS
}

import type { LimitCheck } from './limit-check.ts'

/** Marks keys of envoyproxy/ratelimit's format; hashed keys have no colon. */
const MARK = 'window:'

/**
 * Names the counter of a descriptor as envoyproxy/ratelimit does: `<domain>_<key>_<value>_`, to
 * which the beginning of the window is added when it is asked. Values stand in it as they are.
 */
export function windowKey(domain: string, entries: readonly string[]): string {
  let text = `${MARK}${domain}_`
  for (const part of entries) text += `${part}_`
  return text
}

export function isWindowKey(key: string): boolean {
  return key.startsWith(MARK)
}

/** The key in Redis: the window begins at a whole number of periods, in seconds since the epoch. */
export function windowKeyAt({ key, quota }: LimitCheck, nowMs: number): string {
  const beginMs = Math.floor(nowMs / quota.periodMs) * quota.periodMs
  return `${key.slice(MARK.length)}${beginMs / 1000}`
}

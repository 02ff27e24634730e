import { parseDurationMs } from '../../src/base/duration.ts'
import type { Headers } from '../../src/filters/headers.ts'
import { listItems, type ListItem } from './structured-list.ts'

/** A 429 that says nothing about time: soon, but not at once. */
const DEFAULT_MS = 1000

/** `x-ratelimit-reset` is seconds from now, or a moment: in seconds, or in milliseconds. */
const MOMENT_SECONDS = 1_000_000_000
const MOMENT_MS = 1_000_000_000_000

/** Longer fields are not read: nobody needs so much to say "wait". */
const MAX_FIELD_LENGTH = 1024

/**
 * Names of what is left and of when it is whole again: draft-ietf-httpapi-ratelimit-headers up to
 * 06, the fields it grew from, and those of providers that count requests and tokens apart.
 */
const PAIRS = [
  ['ratelimit-remaining', 'ratelimit-reset'],
  ['x-ratelimit-remaining', 'x-ratelimit-reset'],
  ['x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests'],
  ['x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens'],
] as const

/**
 * How long an upstream asks not to be asked, in milliseconds; 0 when it does not. Read are 429, 503
 * with Retry-After (RFC 9110 10.2.3), `RateLimit` with `RateLimit-Policy`
 * (draft-ietf-httpapi-ratelimit-headers) and `x-ratelimit-remaining: 0`. Retry-After goes before
 * all others, as the draft says.
 */
export function upstreamWaitMs(status: number, headers: Headers, nowMs: number): number {
  const refused = status === 429
  if (refused || status === 503) {
    const waitMs = retryAfterMs(headers, nowMs)
    if (waitMs !== null) return waitMs
  }
  const waitMs = usedUpMs(headers, nowMs)
  return refused && waitMs === 0 ? DEFAULT_MS : waitMs
}

/** null: absent or neither seconds nor a date. A date is judged by the upstream's own clock. */
function retryAfterMs(headers: Headers, nowMs: number): number | null {
  const text = fieldOf(headers, 'retry-after')
  if (text === null) return null
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1000
  const at = Date.parse(text)
  // Anything with a comma or GMT is a date; other things that Date reads are not.
  if (Number.isNaN(at) || !text.endsWith('GMT')) return null
  const sentAt = Date.parse(headers.get('date') ?? '')
  return Math.max(0, at - (Number.isNaN(sentAt) ? nowMs : sentAt))
}

/** The longest wait for a quota of which nothing is left. */
function usedUpMs(headers: Headers, nowMs: number): number {
  let longest = 0
  for (let i = 0; i < PAIRS.length; i++) {
    const [remaining, reset] = PAIRS[i]!
    if (fieldOf(headers, remaining) !== '0') continue
    longest = Math.max(longest, resetMs(fieldOf(headers, reset), nowMs))
  }
  const state = fieldOf(headers, 'ratelimit')
  return state === null ? longest : Math.max(longest, structuredMs(state, headers))
}

/** Seconds, a moment or a duration (`6m0s`); DEFAULT_MS when it says nothing. */
function resetMs(text: string | null, nowMs: number): number {
  if (text === null) return DEFAULT_MS
  if (!/^\d{1,15}(?:\.\d{1,9})?$/.test(text)) return parseDurationMs(text) ?? DEFAULT_MS
  const value = Number(text)
  if (value >= MOMENT_MS) return Math.max(0, value - nowMs)
  if (value >= MOMENT_SECONDS) return Math.max(0, value * 1000 - nowMs)
  return Math.ceil(value * 1000)
}

/** `"name";r=0;t=30`; drafts 07 and 08 write `limit=10, remaining=0, reset=30`. */
function structuredMs(state: string, headers: Headers): number {
  const items = listItems(state)
  let longest = 0
  for (const item of items) {
    if (item.parameters.get('r') !== '0') continue
    const seconds = wholeNumber(item.parameters.get('t')) ?? windowOf(item, headers)
    longest = Math.max(longest, seconds === null ? DEFAULT_MS : seconds * 1000)
  }
  const member = (name: string): string | undefined =>
    items.find(({ value }) => value.startsWith(`${name}=`))?.value.slice(name.length + 1)
  if (member('remaining') === '0') {
    const seconds = wholeNumber(member('reset'))
    longest = Math.max(longest, seconds === null ? DEFAULT_MS : seconds * 1000)
  }
  return longest
}

/** Without `t` the whole window of the policy of that name is waited for. */
function windowOf({ value }: ListItem, headers: Headers): number | null {
  const policies = fieldOf(headers, 'ratelimit-policy')
  if (policies === null) return null
  const policy = listItems(policies).find((other) => other.value === value)
  return wholeNumber(policy?.parameters.get('w'))
}

function wholeNumber(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : null
}

function fieldOf(headers: Headers, name: string): string | null {
  const text = headers.combined(name)
  return text === null || text.length > MAX_FIELD_LENGTH ? null : text.trim()
}

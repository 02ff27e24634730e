import { closest } from '../base/closest.ts'
import { hostMatches } from '../config/hosts.ts'
import type { HostTable } from '../routing/host-table.ts'

/** The entry of a host table that took a host. */
export interface MatchedPattern {
  readonly pattern: string
  readonly match: 'exact' | 'wildcard' | 'any'
}

/** Which pattern gave `found`, the value that the table finds for `host`. */
export function matchedPattern<T>(table: HostTable<T>, host: string, found: T): MatchedPattern {
  let best: string | null = null
  for (const [written, value] of table.entries) {
    const pattern = canonical(written)
    if (value !== found || !hostMatches(pattern, host)) continue
    if (best === null || rank(pattern) > rank(best)) best = pattern
  }
  const pattern = best ?? '*'
  const match = pattern === '*' ? 'any' : pattern.startsWith('*') ? 'wildcard' : 'exact'
  return { pattern, match }
}

/** A name of its own, then the longest wildcard, then `*`. */
function rank(pattern: string): number {
  if (!pattern.startsWith('*')) return Number.POSITIVE_INFINITY
  return pattern.length
}

function canonical(written: string): string {
  const pattern = written.toLowerCase()
  return pattern.startsWith('[') && pattern.endsWith(']') ? pattern.slice(1, -1) : pattern
}

/** What a host that nobody knows probably meant, as a sentence, or null. */
export function nearestHost(host: string, patterns: readonly string[]): string | null {
  const known = patterns.map(canonical)
  const wildcard = known.find((pattern) => pattern === `*.${host}`)
  if (wildcard !== undefined) {
    return `${wildcard} does not cover ${host} itself: a wildcard stands for at least one label`
  }
  if (host.endsWith('.') && known.some((pattern) => hostMatches(pattern, host.slice(0, -1)))) {
    return `${host.slice(0, -1)} is known; the trailing dot is part of the name`
  }
  const plain = known.filter((pattern) => pattern !== '*')
  const near = closest(host, plain) ?? relative(host, plain)
  return near === null ? null : `nearest is ${near}`
}

/** The pattern with most trailing labels in common, or whose first label is the short name asked. */
function relative(host: string, patterns: readonly string[]): string | null {
  if (!host.includes('.')) return patterns.find((pattern) => pattern.startsWith(`${host}.`)) ?? null
  const labels = host.split('.').toReversed()
  let best: string | null = null
  let most = 1
  for (const pattern of patterns) {
    const others = pattern.split('.').toReversed()
    let common = 0
    while (common < labels.length && labels[common] === others[common]) common++
    if (common > most) {
      best = pattern
      most = common
    }
  }
  return best
}

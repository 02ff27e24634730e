/**
 * Host patterns to values: an exact name, else the longest `*.suffix`, else `*`. A wildcard takes
 * one or more labels: `*.x` never matches `x`. The first entry wins for equal patterns; a trailing
 * dot is part of the name. Istio VirtualService.hosts, Gateway server hosts and SNI.
 */
export class HostTable<T> {
  /** As given, in order, equal patterns included. */
  readonly entries: readonly (readonly [pattern: string, value: T])[]
  readonly #exact: ReadonlyMap<string, T>
  /** By suffix with its leading dot: `*.a.com` under `.a.com`. */
  readonly #wildcards: ReadonlyMap<string, T>
  readonly #longestSuffix: number
  readonly #any: T | null

  constructor(entries: readonly (readonly [pattern: string, value: T])[]) {
    const exact = new Map<string, T>()
    const wildcards = new Map<string, T>()
    let longest = 0
    let any: T | null = null
    for (const [written, value] of entries) {
      const pattern = canonicalPattern(written)
      if (pattern === '*') any ??= value
      else if (pattern.startsWith('*')) {
        const suffix = pattern.slice(1)
        if (!wildcards.has(suffix)) wildcards.set(suffix, value)
        longest = Math.max(longest, suffix.length)
      } else if (!exact.has(pattern)) exact.set(pattern, value)
    }
    this.entries = entries
    this.#exact = exact
    this.#wildcards = wildcards
    this.#longestSuffix = longest
    this.#any = any
  }

  /** Value for `host`: lower-case, without port; IPv6 literals without brackets. */
  find(host: string): T | null {
    const exact = this.#exact.get(host)
    if (exact !== undefined) return exact
    if (this.#wildcards.size !== 0) {
      // Only the tail that the longest suffix can cover is walked: a long name costs no more.
      const from = Math.max(1, host.length - this.#longestSuffix)
      for (let dot = host.indexOf('.', from); dot !== -1; dot = host.indexOf('.', dot + 1)) {
        const found = this.#wildcards.get(host.slice(dot))
        if (found !== undefined) return found
      }
    }
    return this.#any
  }

  /** Value for an authority as received: `Host:8080`, `[::1]:80`. */
  lookup(authority: string): T | null {
    return this.find(hostOf(authority))
  }
}

/** Host of an authority: lower-case, without port, without the brackets of an IPv6 literal. */
export function hostOf(authority: string): string {
  if (authority.charCodeAt(0) === 0x5b /* [ */) {
    const close = authority.indexOf(']')
    return (close === -1 ? authority : authority.slice(1, close)).toLowerCase()
  }
  const colon = authority.indexOf(':')
  if (colon === -1 || authority.indexOf(':', colon + 1) !== -1) return authority.toLowerCase()
  return authority.slice(0, colon).toLowerCase()
}

function canonicalPattern(written: string): string {
  const pattern = written.toLowerCase()
  return pattern.startsWith('[') && pattern.endsWith(']') ? pattern.slice(1, -1) : pattern
}

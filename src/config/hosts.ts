import { isShortName } from './names.ts'

/**
 * The full name of a host as Istio completes it: a dotless name belongs to the namespace of the
 * resource that contains it; wildcards, dotted names and addresses stay as they are.
 */
export function expandHost(host: string, namespace: string, domain: string): string {
  return isShortName(host) ? `${host}.${namespace}.svc.${domain}` : host
}

/**
 * Does the concrete name `host` fall under `pattern` (exact, `*.suffix`, `*`)? Case does not matter;
 * the wildcard stands for at least one character and at any depth: `*.x` matches `a.b.x`, not `x`.
 */
export function hostMatches(pattern: string, host: string): boolean {
  if (pattern === '*') return true
  const lowerPattern = pattern.toLowerCase()
  const lowerHost = host.toLowerCase()
  if (!lowerPattern.startsWith('*')) return lowerPattern === lowerHost
  const suffix = lowerPattern.slice(1)
  return lowerHost.length > suffix.length && lowerHost.endsWith(suffix)
}

/** Is every name that `inner` stands for also one of `outer`? Both may be patterns. */
export function hostCovers(outer: string, inner: string): boolean {
  if (outer === '*' || outer.toLowerCase() === inner.toLowerCase()) return true
  if (!inner.startsWith('*')) return hostMatches(outer, inner)
  if (!outer.startsWith('*')) return false
  return inner.toLowerCase().slice(1).endsWith(outer.toLowerCase().slice(1))
}

/** Is there a name that both patterns stand for? */
export function hostsOverlap(a: string, b: string): boolean {
  return hostCovers(a, b) || hostCovers(b, a)
}

/**
 * The names both patterns stand for, as one lower-case pattern, or null when there are none: the
 * domain of a VirtualService host on a Gateway server's host.
 */
export function narrower(a: string, b: string): string | null {
  if (hostCovers(a, b)) return b.toLowerCase()
  if (hostCovers(b, a)) return a.toLowerCase()
  return null
}

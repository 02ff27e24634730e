import { isIP } from 'node:net'
import type { SeenHost } from './egress-seen.ts'

/** `*.com` would allow half the world. */
const MIN_PARENT_LABELS = 2

/**
 * Puts `*.parent` in the place of at least `least` hosts below the same parent domain that were seen
 * on the same ports with the same protocols. Raw TCP ports keep their hosts: nothing names one there.
 */
export function withWildcards(hosts: readonly SeenHost[], least: number): readonly SeenHost[] {
  const groups = new Map<string, SeenHost[]>()
  const kept: SeenHost[] = []
  for (const host of hosts) {
    const parent = parentOf(host)
    if (parent === null) {
      kept.push(host)
      continue
    }
    const key = `${parent} ${portsKey(host)}`
    groups.set(key, [...(groups.get(key) ?? []), host])
  }
  for (const group of groups.values()) {
    const [first] = group
    if (first === undefined || group.length < least) kept.push(...group)
    else kept.push(united(`*.${parentOf(first) ?? ''}`, group))
  }
  return kept
}

function parentOf({ host, ports }: SeenHost): string | null {
  if (isIP(host) !== 0 || [...ports.values()].includes('TCP')) return null
  const labels = host.split('.')
  return labels.length > MIN_PARENT_LABELS ? labels.slice(1).join('.') : null
}

function portsKey({ ports }: SeenHost): string {
  return [...ports]
    .map(([port, protocol]) => `${port}/${protocol}`)
    .toSorted()
    .join(',')
}

function united(host: string, group: readonly SeenHost[]): SeenHost {
  return {
    host,
    ports: new Map(group[0]?.ports),
    namespaces: new Set(group.flatMap(({ namespaces }) => [...namespaces])),
    count: group.reduce((sum, { count }) => sum + count, 0),
  }
}

import { HostTable } from '../../src/routing/host-table.ts'
import { RouteMatch } from '../../src/routing/route-match.ts'
import type { Snapshot } from '../../src/snapshot/snapshot.ts'

/** A snapshot as text: equal text for equal snapshots, tables in their order. */
export function dumpSnapshot(snapshot: Snapshot): string {
  return JSON.stringify(snapshot, plain, 1)
}

function plain(key: string, value: unknown): unknown {
  if (value instanceof HostTable) return value.entries
  if (value instanceof Map) return [...value]
  if (value instanceof Set) return [...value]
  if (value instanceof RouteMatch) return { ...value, catchAll: value.isCatchAll }
  if (typeof value === 'function') return value.toString()
  // Routes point to clusters, which are listed once.
  if (key === 'cluster' && typeof value === 'object' && value !== null && 'name' in value) {
    return value.name
  }
  return value
}

import { tablesOf } from '../explain/gateway-listener.ts'
import type { Filter } from '../filters/filter.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import { egressTablesOf } from '../snapshot/egress-plan.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'

/** Every filter of every route of a snapshot, once. */
export function filtersOf({ listeners, egress }: Snapshot): readonly Filter[] {
  const filters = new Set<Filter>()
  const add = (virtualHost: VirtualHost | null): void => {
    for (const route of virtualHost?.routes ?? []) {
      for (const filter of route.filters) filters.add(filter)
    }
  }
  for (const { hosts } of listeners.flatMap(tablesOf)) {
    for (const [, virtualHost] of hosts.entries) add(virtualHost)
  }
  for (const { http, addresses } of egressTablesOf(egress)) {
    for (const table of http.values()) for (const [, virtualHost] of table.entries) add(virtualHost)
    for (const { virtualHost } of addresses) add(virtualHost)
  }
  add(egress.unknownHost)
  add(egress.control?.allowAny ?? null)
  return [...filters]
}

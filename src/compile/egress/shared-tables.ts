import { HostTable } from '../../routing/host-table.ts'
import type { EgressAddress, TunnelRule } from '../../snapshot/egress-plan.ts'

type Entries<T> = readonly (readonly [pattern: string, value: T])[]
type PortTables<T> = ReadonlyMap<number, HostTable<T>>

/** A table of these entries: the common one of its port where that says the same. */
export function sharedTable<T>(
  port: number,
  entries: Entries<T>,
  common: PortTables<T> | null,
  isSame: (a: T, b: T) => boolean = Object.is,
): HostTable<T> {
  const table = common?.get(port)
  if (table === undefined || table.entries.length !== entries.length) return new HostTable(entries)
  const equal = table.entries.every(([pattern, value], index) => {
    const [otherPattern, other] = entries[index]!
    return pattern === otherPattern && isSame(value, other)
  })
  return equal ? table : new HostTable(entries)
}

/** Both lists are of the same services: only where they lead can differ. */
export function sharedAddresses(
  addresses: readonly EgressAddress[],
  common: readonly EgressAddress[] | null,
): readonly EgressAddress[] {
  if (common === null || common.length !== addresses.length) return addresses
  const equal = common.every(({ cluster, virtualHost }, index) => {
    const other = addresses[index]!
    return cluster === other.cluster && virtualHost === other.virtualHost
  })
  return equal ? common : addresses
}

export function isSameRule(a: TunnelRule, b: TunnelRule): boolean {
  if (a.name !== b.name || a.destinations.length !== b.destinations.length) return false
  return a.destinations.every((one, index) => {
    const other = b.destinations[index]!
    return (
      one.clusterName === other.clusterName &&
      one.cluster === other.cluster &&
      one.dynamicPort === other.dynamicPort &&
      a.cumulativeWeights[index] === b.cumulativeWeights[index]
    )
  })
}

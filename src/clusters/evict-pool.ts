import type { ConnectionPool } from '../upstream/pool.ts'

/** Makes place for another server name: an unused pool goes, else the oldest is let finish. */
export function evictPool(pools: Map<string, ConnectionPool>): void {
  for (const [host, pool] of pools) {
    if (pool.size > 0 || pool.dialing > 0) continue
    pool.retire()
    pools.delete(host)
    return
  }
  for (const [host, pool] of pools) {
    pool.retire()
    pools.delete(host)
    return
  }
}

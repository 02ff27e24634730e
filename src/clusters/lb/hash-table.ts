import type { Hash64 } from '../../base/hash64.ts'
import type { Endpoint } from '../endpoint.ts'

/** Where hashes belong to endpoints: a ring or a Maglev table. */
export interface HashTable {
  /**
   * The endpoint of a hash, stepping over those that are not available and, where there is another,
   * those in `tried`. null when nobody is available.
   */
  find(hash: Hash64, tried: readonly string[] | null): Endpoint | null
}

/** The first endpoint from `from` on, in the order of `owners`, that is available and untried. */
export function walk(
  endpoints: readonly Endpoint[],
  owners: Uint32Array,
  from: number,
  tried: readonly string[] | null,
): Endpoint | null {
  let again: Endpoint | null = null
  let at = from
  for (let steps = 0; steps < owners.length; steps++, at++) {
    if (at >= owners.length) at = 0
    const endpoint = endpoints[owners[at]!]!
    if (!endpoint.available || endpoint === again) continue
    if (tried === null || !tried.includes(endpoint.key)) return endpoint
    again ??= endpoint
  }
  return again
}

import { xxh32 } from '../../base/hash.ts'
import type { Endpoint } from '../endpoint.ts'
import { type HashTable, walk } from './hash-table.ts'
import { tableWeights } from './weights.ts'

const OFFSET_SEED = 0
const SKIP_SEED = 0x4d61676c

/**
 * Maglev (consistentHash.maglev; Eisenbud et al., NSDI 2016, 3.4): a table of prime size that the
 * endpoints fill in turn, each by its own permutation; turns come in proportion to weight.
 */
export class MaglevTable implements HashTable {
  readonly #endpoints: readonly Endpoint[]
  readonly #table: Uint32Array

  /** `tableSize` is a prime; endpoints beyond it get no slot. */
  constructor(endpoints: readonly Endpoint[], tableSize: number) {
    this.#endpoints = endpoints
    this.#table = endpoints.length === 0 ? new Uint32Array(0) : fillTable(endpoints, tableSize)
  }

  find(hash: number, tried: readonly string[] | null): Endpoint | null {
    const table = this.#table
    return walk(this.#endpoints, table, hash % table.length, tried)
  }
}

function fillTable(endpoints: readonly Endpoint[], size: number): Uint32Array {
  // Names in order, so that the table does not depend on the order endpoints were listed in.
  const order = endpoints.map((_, i) => i)
  order.sort((a, b) => (endpoints[a]!.key < endpoints[b]!.key ? -1 : 1))
  const skips = endpoints.map(({ key }) => (xxh32(key, SKIP_SEED) % (size - 1)) + 1)
  const positions = endpoints.map(({ key }) => xxh32(key, OFFSET_SEED) % size)
  const weights = tableWeights(endpoints)
  const heaviest = weights.reduce((most, weight) => Math.max(most, weight), 0)
  const credits = new Float64Array(endpoints.length)
  const taken = new Uint8Array(size)
  const table = new Uint32Array(size)
  let filled = 0
  while (filled < size) {
    for (const i of order) {
      credits[i]! += weights[i]! / heaviest
      if (credits[i]! < 1) continue
      credits[i]! -= 1
      let slot = positions[i]!
      while (taken[slot] === 1) slot = (slot + skips[i]!) % size
      taken[slot] = 1
      table[slot] = i
      positions[i] = (slot + skips[i]!) % size
      filled++
      if (filled === size) break
    }
  }
  return table
}

import { Hash64 } from '../../base/hash64.ts'
import { xxh64 } from '../../base/xxh64.ts'
import type { Endpoint } from '../endpoint.ts'
import { type HashTable, walk } from './hash-table.ts'
import { tableWeights } from './weights.ts'

const OFFSET_SEED = 0
const SKIP_SEED = 1

/**
 * Maglev (consistentHash.maglev; Eisenbud et al., NSDI 2016, 3.4): a table of prime size that the
 * endpoints fill in turn, each by its own permutation, whose offset and skip are xxHash64 of
 * `address:port` with the seeds 0 and 1; turns come in proportion to weight.
 */
export class MaglevTable implements HashTable {
  readonly #endpoints: readonly Endpoint[]
  readonly #table: Uint32Array

  /** `tableSize` is a prime; endpoints beyond it get no slot. */
  constructor(endpoints: readonly Endpoint[], tableSize: number) {
    this.#endpoints = endpoints
    this.#table = endpoints.length === 0 ? new Uint32Array(0) : fillTable(endpoints, tableSize)
  }

  find(hash: Hash64, tried: readonly string[] | null): Endpoint | null {
    const table = this.#table
    const from = table.length === 0 ? 0 : hash.modulo(table.length)
    return walk(this.#endpoints, table, from, tried)
  }
}

/** What an endpoint has at stake while the table is filled. */
interface Filler {
  readonly index: number
  readonly weight: number
  readonly skip: number
  /** The slot its permutation comes to next. */
  position: number
  /** Slots it has. */
  taken: number
}

function fillTable(endpoints: readonly Endpoint[], size: number): Uint32Array {
  const weights = tableWeights(endpoints)
  const heaviest = weights.reduce((most, weight) => Math.max(most, weight), 0)
  const fillers = fillersOf(endpoints, weights, size)
  const taken = new Uint8Array(size)
  const table = new Uint32Array(size)
  let filled = 0
  for (let round = 1; filled < size; round++) {
    for (const filler of fillers) {
      // The first round gives everybody a slot; a light one then waits until its weights add up.
      if (round * filler.weight < filler.taken * heaviest) continue
      let slot = filler.position
      while (taken[slot] === 1) slot = (slot + filler.skip) % size
      taken[slot] = 1
      table[slot] = filler.index
      filler.position = (slot + filler.skip) % size
      filler.taken++
      filled++
      if (filled === size) break
    }
  }
  return table
}

/** Names in order, so that the table does not depend on the order endpoints were listed in. */
function fillersOf(
  endpoints: readonly Endpoint[],
  weights: readonly number[],
  size: number,
): readonly Filler[] {
  const hash = new Hash64()
  const fillers = endpoints.map(({ key }, index): Filler => {
    xxh64(key, hash, OFFSET_SEED)
    const position = hash.modulo(size)
    xxh64(key, hash, SKIP_SEED)
    const skip = hash.modulo(size - 1) + 1
    return { index, weight: weights[index]!, skip, position, taken: 0 }
  })
  return fillers.sort((a, b) => (endpoints[a.index]!.key < endpoints[b.index]!.key ? -1 : 1))
}

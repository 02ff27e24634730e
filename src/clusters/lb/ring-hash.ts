import { Hash64 } from '../../base/hash64.ts'
import { xxh64 } from '../../base/xxh64.ts'
import type { Endpoint } from '../endpoint.ts'
import { type HashTable, walk } from './hash-table.ts'
import { tableWeights } from './weights.ts'

/** Points of one ring at most: about 20 ms to build. */
export const MAX_RING_POINTS = 65_536
/** Endpoint numbers share 64 bits with the upper 44 of a point's hash. */
const INDEX_BITS = 20
const MAX_ENDPOINTS = 2 ** INDEX_BITS
const LOW_POINT_BITS = 32 - INDEX_BITS
const LOW_POINT_SPAN = 2 ** LOW_POINT_BITS

/**
 * Ring hash (consistentHash.ringHash): every endpoint stands on the ring at points derived from its
 * address alone, xxHash64 of `address:port_n`, so a key moves only when its own endpoint comes or
 * goes. The number of points per unit of weight is minimumRingSize, whatever the number of
 * endpoints, until the ring is full: a number that followed the endpoint count would move keys
 * between endpoints that stay.
 */
export class HashRing implements HashTable {
  readonly #endpoints: readonly Endpoint[]
  /** Upper 44 bits of the hashes, in order. */
  readonly #points: Float64Array
  readonly #owners: Uint32Array

  constructor(endpoints: readonly Endpoint[], minimumRingSize: number) {
    this.#endpoints = endpoints.slice(0, MAX_ENDPOINTS)
    const words = ringWords(this.#endpoints, minimumRingSize)
    const count = words.length / 2
    this.#points = new Float64Array(count)
    this.#owners = new Uint32Array(count)
    for (let i = 0; i < count; i++) {
      const low = words[2 * i]!
      this.#points[i] = pointOf(words[2 * i + 1]!, low)
      this.#owners[i] = low & (MAX_ENDPOINTS - 1)
    }
  }

  find(hash: Hash64, tried: readonly string[] | null): Endpoint | null {
    const from = this.#firstAtOrAfter(pointOf(hash.high, hash.low))
    return walk(this.#endpoints, this.#owners, from, tried)
  }

  #firstAtOrAfter(point: number): number {
    const points = this.#points
    let low = 0
    let high = points.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (points[middle]! < point) low = middle + 1
      else high = middle
    }
    return low
  }
}

function pointOf(high: number, low: number): number {
  return (high >>> 0) * LOW_POINT_SPAN + (low >>> INDEX_BITS)
}

/**
 * All points in order, two words each: the low one, which ends with the endpoint's number, and the
 * high one. They are sorted as 64-bit integers, which no bigint is made for.
 */
function ringWords(endpoints: readonly Endpoint[], minimumRingSize: number): Uint32Array {
  const counts = pointCounts(endpoints, minimumRingSize)
  const points = new BigUint64Array(counts.reduce((sum, count) => sum + count, 0))
  const words = new Uint32Array(points.buffer)
  const hash = new Hash64()
  let at = 0
  for (let i = 0; i < endpoints.length; i++) {
    const { key } = endpoints[i]!
    for (let n = 0; n < counts[i]!; n++) {
      xxh64(`${key}_${n}`, hash)
      words[at++] = ((hash.low >>> INDEX_BITS) << INDEX_BITS) | i
      words[at++] = hash.high
    }
  }
  points.sort()
  return words
}

function pointCounts(endpoints: readonly Endpoint[], minimumRingSize: number): readonly number[] {
  const weights = tableWeights(endpoints)
  let lightest = Infinity
  let sum = 0
  for (const weight of weights) {
    lightest = Math.min(lightest, weight)
    sum += weight
  }
  let perWeight = minimumRingSize / lightest
  // Powers of two: a full ring thins out seldom, and then drops every other point.
  while (perWeight * sum > MAX_RING_POINTS && perWeight * lightest > 1) perWeight /= 2
  return weights.map((weight) => Math.max(1, Math.round(weight * perWeight)))
}

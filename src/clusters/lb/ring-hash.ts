import { xxh32 } from '../../base/hash.ts'
import type { Endpoint } from '../endpoint.ts'
import { type HashTable, walk } from './hash-table.ts'
import { tableWeights } from './weights.ts'

/** Points of one ring at most: about 10 ms to build. */
const MAX_RING_POINTS = 131_072
/** Endpoint numbers share a float with the 32 hash bits: 2^20 endpoints fit exactly. */
const INDEX_SPAN = 2 ** 20

/**
 * Ring hash (consistentHash.ringHash): every endpoint stands on the ring at points derived from its
 * address alone, so a key moves only when its own endpoint comes or goes. The number of points per
 * unit of weight is minimumRingSize, whatever the number of endpoints, until the ring is full: a
 * number that followed the endpoint count would move keys between endpoints that stay.
 */
export class HashRing implements HashTable {
  readonly #endpoints: readonly Endpoint[]
  readonly #points: Uint32Array
  readonly #owners: Uint32Array

  constructor(endpoints: readonly Endpoint[], minimumRingSize: number) {
    this.#endpoints = endpoints.slice(0, INDEX_SPAN)
    const ring = ringPoints(this.#endpoints, minimumRingSize)
    this.#points = new Uint32Array(ring.length)
    this.#owners = new Uint32Array(ring.length)
    for (let i = 0; i < ring.length; i++) {
      this.#points[i] = Math.floor(ring[i]! / INDEX_SPAN)
      this.#owners[i] = ring[i]! % INDEX_SPAN
    }
  }

  find(hash: number, tried: readonly string[] | null): Endpoint | null {
    return walk(this.#endpoints, this.#owners, this.#firstAtOrAfter(hash), tried)
  }

  #firstAtOrAfter(hash: number): number {
    const points = this.#points
    let low = 0
    let high = points.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (points[middle]! < hash) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** All points in order, each as hash * 2^20 + endpoint number. */
function ringPoints(endpoints: readonly Endpoint[], minimumRingSize: number): Float64Array {
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
  const points: number[] = []
  for (let i = 0; i < endpoints.length; i++) {
    const { key } = endpoints[i]!
    const count = Math.max(1, Math.round(weights[i]! * perWeight))
    for (let n = 0; n < count; n++) points.push(xxh32(`${key}_${n}`) * INDEX_SPAN + i)
  }
  return Float64Array.from(points).sort()
}

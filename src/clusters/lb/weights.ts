import type { Endpoint } from '../endpoint.ts'

/** Running sums of endpoint weights, or null when all weights are equal. */
export function cumulativeWeights(endpoints: readonly Endpoint[]): readonly number[] | null {
  const first = endpoints[0]
  if (first === undefined || endpoints.every((endpoint) => endpoint.weight === first.weight)) {
    return null
  }
  const sums: number[] = []
  let sum = 0
  for (const endpoint of endpoints) {
    sum += endpoint.weight
    sums.push(sum)
  }
  return sums
}

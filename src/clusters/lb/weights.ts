import type { Endpoint } from '../endpoint.ts'

/** Running sums of the endpoints' effective weights, or null when all are equal. */
export function cumulativeWeights(endpoints: readonly Endpoint[]): readonly number[] | null {
  const first = endpoints[0]
  if (
    first === undefined ||
    endpoints.every((endpoint) => endpoint.effectiveWeight === first.effectiveWeight)
  ) {
    return null
  }
  const sums: number[] = []
  let sum = 0
  for (const endpoint of endpoints) {
    sum += endpoint.effectiveWeight
    sums.push(sum)
  }
  return sums
}

/**
 * What part of a hash table each endpoint gets: its weight, or its part of what its locality weighs.
 * Health has no say in it, since a table that followed it would move keys of healthy endpoints.
 */
export function tableWeights(endpoints: readonly Endpoint[]): readonly number[] {
  const sums = new Map<string, number>()
  for (const { locality, weight } of endpoints) {
    sums.set(locality, (sums.get(locality) ?? 0) + weight)
  }
  return endpoints.map(({ locality, localityWeight, weight }) =>
    localityWeight === 0 ? weight : (localityWeight * weight) / (sums.get(locality) ?? weight),
  )
}

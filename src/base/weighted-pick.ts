/** Running sums of `weights`: [1, 3, 1] becomes [1, 4, 5]. The last entry is the total. */
export function cumulativeWeights(weights: readonly number[]): number[] {
  let total = 0
  return weights.map((weight) => (total += weight))
}

/**
 * Index of the entry that `random` (0 <= random < 1) falls on, each entry having a share of its
 * weight / total. Entries of weight 0 are never picked. `cumulative` holds at least one entry.
 */
export function pickWeighted(cumulative: readonly number[], random: number): number {
  const last = cumulative.length - 1
  const point = random * cumulative[last]!
  let low = 0
  let high = last
  while (low < high) {
    const middle = (low + high) >> 1
    if (point < cumulative[middle]!) high = middle
    else low = middle + 1
  }
  return low
}

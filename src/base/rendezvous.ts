const UINT32 = 2 ** 32

/**
 * Weighted rendezvous hashing: the index of the candidate that a key belongs to. Each candidate
 * gets keys in proportion to its weight, and a key moves from one candidate to another only when
 * the other's weight grew in relation to the first's: with two candidates exactly the keys that
 * must move do. `hash` is the key's, unsigned 32 bits; `seeds` tell the candidates apart, whatever
 * their order; `weights` are positive, and there is at least one.
 */
export function pickRendezvous(
  hash: number,
  seeds: readonly number[],
  weights: readonly number[],
): number {
  let best = 0
  let lowest = Infinity
  for (let i = 0; i < seeds.length; i++) {
    // Exponential with the weight as rate: the smallest of several wins with weight / total.
    const draw = -Math.log((mix(hash ^ seeds[i]!) + 0.5) / UINT32) / weights[i]!
    if (draw < lowest) {
      lowest = draw
      best = i
    }
  }
  return best
}

/** Finalizer of MurmurHash3: every bit of the input moves every bit of the output. */
function mix(value: number): number {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

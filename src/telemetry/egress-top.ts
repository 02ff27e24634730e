import type { EgressLine } from './egress-line.ts'

/** A pair of host and client that was refused, or would have been. */
export interface TopRefused {
  readonly host: string
  readonly port: number
  /** As in EgressLine; of an unknown client, its address. */
  readonly client: string
  readonly verdict: string
  /** At least `count - countError` of them. */
  count: number
  /** How much of `count` may belong to pairs that were pushed out before. */
  readonly countError: number
  readonly firstSeen: string
  lastSeen: string
  /** The latest one: it says what would let the next pass. */
  last: EgressLine
}

/** Pairs that are counted at the same time. */
export const MAX_PAIRS = 256

/**
 * Counts refused host and client pairs in bounded memory (space-saving: a new pair takes the place
 * of the rarest one and inherits its count as error), so that whoever asks for many names only
 * pushes out what is rare.
 */
export class TopRefusals {
  readonly #pairs = new Map<string, TopRefused>()
  readonly #max: number

  constructor(max: number = MAX_PAIRS) {
    this.#max = max
  }

  add(line: EgressLine): void {
    const client = clientOf(line)
    const key = `${line.host} ${line.port} ${client} ${line.verdict}`
    const known = this.#pairs.get(key)
    if (known !== undefined) {
      known.count++
      known.lastSeen = line.time
      known.last = line
      return
    }
    const inherited = this.#pairs.size < this.#max ? 0 : this.#pushOut()
    this.#pairs.set(key, {
      host: line.host,
      port: line.port,
      client,
      verdict: line.verdict,
      count: inherited + 1,
      countError: inherited,
      firstSeen: line.time,
      lastSeen: line.time,
      last: line,
    })
  }

  /** The most frequent first. */
  top(): readonly TopRefused[] {
    return [...this.#pairs.values()].toSorted(
      (a, b) => b.count - a.count || (a.host < b.host ? -1 : 1),
    )
  }

  /** The count of the rarest, which makes room. */
  #pushOut(): number {
    let rarest = ''
    let least = Infinity
    for (const [key, { count }] of this.#pairs) {
      if (count >= least) continue
      rarest = key
      least = count
    }
    this.#pairs.delete(rarest)
    return least
  }
}

export function clientOf(line: EgressLine): string {
  return line.client === '' ? line.clientAddress : line.client
}

export function isRefused(line: EgressLine): boolean {
  return line.verdict !== 'allowed' && line.verdict !== 'passthrough'
}

/** How long a client whose session was ended for a flood is trusted less. */
export const FLOOD_MEMORY_MS = 10_000
/** Clients remembered at a time; the longest forgotten first. */
export const MAX_CLIENTS = 4_096
/** A share is halved at most so many times. */
const MAX_HALVINGS = 6

interface Flooder {
  halvings: number
  untilMs: number
}

/**
 * Clients whose HTTP/2 sessions were ended for floods. A session has its own budgets, so who comes
 * back at once would have new ones every time: each session ended halves what the next ones of that
 * client get, until it has kept quiet for a while. Others behind the same address keep enough for
 * what browsers do.
 */
export class H2FloodMemory {
  readonly #flooders = new Map<string, Flooder>()

  /** Nobody is remembered. */
  get isEmpty(): boolean {
    return this.#flooders.size === 0
  }

  /** Part of the usual budget that a new session of this client gets: 1, 1/2, 1/4 ... */
  shareOf(client: string, nowMs: number): number {
    if (this.#flooders.size === 0) return 1
    const flooder = this.#flooders.get(client)
    if (flooder === undefined) return 1
    if (flooder.untilMs > nowMs) return 1 / 2 ** flooder.halvings
    this.#flooders.delete(client)
    return 1
  }

  /** A session of this client was ended. */
  note(client: string, nowMs: number): void {
    const known = this.#flooders.get(client)
    const before = known === undefined || known.untilMs <= nowMs ? 0 : known.halvings
    // Behind the others: the map is in the order of the latest flood.
    this.#flooders.delete(client)
    this.#flooders.set(client, {
      halvings: Math.min(before + 1, MAX_HALVINGS),
      untilMs: nowMs + FLOOD_MEMORY_MS,
    })
    if (this.#flooders.size <= MAX_CLIENTS) return
    for (const oldest of this.#flooders.keys()) {
      this.#flooders.delete(oldest)
      return
    }
  }
}

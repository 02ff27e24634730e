/** Open egress tunnels by client. Entries exist only while a client has one. */
export class TunnelCounts {
  readonly #open = new Map<string, number>()

  /** False: the client has `most` already. Each true is to be given back with leave(). */
  enter(client: string, most: number): boolean {
    const open = this.#open.get(client) ?? 0
    if (open >= most) return false
    this.#open.set(client, open + 1)
    return true
  }

  leave(client: string): void {
    const left = (this.#open.get(client) ?? 1) - 1
    if (left === 0) this.#open.delete(client)
    else this.#open.set(client, left)
  }
}

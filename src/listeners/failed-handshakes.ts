/** Why a TLS connection was not served. */
export type TlsRefusal =
  | 'no-server-name-match'
  | 'no-certificate'
  | 'no-route'
  | 'not-tls'
  | 'timeout'
  | 'handshake-failed'
  | 'client-certificate'

/** One TLS connection that was not served. */
export interface FailedHandshake {
  readonly reason: TlsRefusal
  /** What the TLS library or the verification of the client said, or ''. */
  readonly detail: string
  /** SNI, or null. */
  readonly serverName: string | null
  /** Protocols the client offered. */
  readonly alpn: readonly string[]
  /** The server chain chosen by the name, or null. */
  readonly chain: string | null
  readonly remoteAddress: string
}

/** With where and when. */
export interface RecordedHandshake extends FailedHandshake {
  readonly listener: string
  /** Milliseconds since the epoch. */
  readonly atMs: number
}

/** Failed handshakes that are kept. */
export const KEPT_HANDSHAKES = 100

/** The last failed handshakes, for those who ask why a client cannot connect. */
export class FailedHandshakes {
  readonly #kept: RecordedHandshake[] = []
  /** Where the next one goes once the ring is full. */
  #next = 0

  add(handshake: RecordedHandshake): void {
    if (this.#kept.length < KEPT_HANDSHAKES) this.#kept.push(handshake)
    else this.#kept[this.#next] = handshake
    this.#next = (this.#next + 1) % KEPT_HANDSHAKES
  }

  /** Newest first. */
  get all(): readonly RecordedHandshake[] {
    const full = this.#kept.length === KEPT_HANDSHAKES
    const oldestFirst = full
      ? [...this.#kept.slice(this.#next), ...this.#kept.slice(0, this.#next)]
      : this.#kept
    return oldestFirst.toReversed()
  }
}

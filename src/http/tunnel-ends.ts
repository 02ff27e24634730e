import type { Socket } from 'node:net'
import type { InputGate } from './input-gate.ts'
import type { ServerExchange } from './server-exchange.ts'

/** How far a tunnel over a client's connection has ended, of which each side may end by itself. */
export class TunnelEnds {
  readonly #socket: Socket
  /** Holds bytes of the client's that come before its end. */
  readonly #gate: InputGate
  #isClientEndTold = false
  #isOutputEnded = false

  constructor(socket: Socket, gate: InputGate) {
    this.#socket = socket
    this.#gate = gate
  }

  /** Nothing more is sent to the client. False: that was said before. */
  endOutput(): boolean {
    if (this.#isOutputEnded) return false
    this.#isOutputEnded = true
    return true
  }

  /** Our FIN. With both sides ended the socket closes: not before all bytes were delivered. */
  shutDown(peerEnded: boolean): void {
    const waits = peerEnded && this.#gate.holds
    if (this.#isOutputEnded && !waits && !this.#socket.writableEnded) this.#socket.end()
  }

  /** Tells the client's half-close, once and behind all its bytes. True: both sides have ended. */
  tell(exchange: ServerExchange, peerEnded: boolean): boolean {
    if (peerEnded && !this.#isClientEndTold && !this.#gate.holds) {
      this.#isClientEndTold = true
      exchange.receiveEnd(null)
    }
    return this.#isClientEndTold && this.#socket.writableEnded
  }
}

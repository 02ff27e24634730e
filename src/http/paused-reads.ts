import type { Socket } from 'node:net'

/** How often paused sockets are looked at: so late a reset is noticed. */
export const LOOK_EVERY_MS = 1_000

const NOTHING = Buffer.alloc(0)

/** The TCP socket under a TLS socket: a write of nothing ends in the TLS library. */
const carriers = new WeakMap<Socket, Socket>()

/** `secure` is TLS over `carrier`. */
export function setCarrier(secure: Socket, carrier: Socket): void {
  carriers.set(secure, carrier)
}

/**
 * Sockets that nobody reads because what they bring has no place yet. The event loop does not say
 * that the peer of such a socket is gone; a write of nothing does (the kernel answers with the
 * error of the reset), and sends no byte. A peer that only ended its side, or vanished without a
 * word, is found by the timers alone.
 */
export class PausedReads {
  readonly #sockets = new Set<Socket>()
  #timer: NodeJS.Timeout | null = null

  get size(): number {
    return this.#sockets.size
  }

  add(socket: Socket): void {
    this.#sockets.add(socket)
    if (this.#timer === null) this.#timer = setTimeout(this.#look, LOOK_EVERY_MS).unref()
  }

  delete(socket: Socket): void {
    this.#sockets.delete(socket)
  }

  readonly #look = (): void => {
    this.#timer = null
    for (const socket of this.#sockets) {
      if (socket.destroyed) this.#sockets.delete(socket)
      // Bytes on their way would tell by themselves.
      else if (socket.writableLength === 0) ask(carriers.get(socket) ?? socket)
    }
    if (this.#sockets.size > 0) this.#timer = setTimeout(this.#look, LOOK_EVERY_MS).unref()
  }
}

/** An error closes the socket, and with it what it carries. */
function ask(socket: Socket): void {
  if (!socket.writable) return
  if (socket.listenerCount('error') === 0) socket.on('error', ignore)
  socket.write(NOTHING)
}

function ignore(): void {}

/** Those of this process. */
export const pausedReads = new PausedReads()

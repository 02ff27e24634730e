import { readSync } from 'node:fs'
import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** What a backend can have said before it reset the connection that is worth reading. */
export const MAX_BYTES = 65_536

interface DescribedHandle {
  readonly fd: number
}

/**
 * A backend that refuses an upload answers (413, 401 ...) and closes; what it had not read turns its
 * close into a reset. The answer lies in our kernel by then, but a write that runs into the reset
 * makes Node destroy the socket without a look at it, and the client is told 503. So when a write
 * fails, what has arrived is read first, and comes as 'data' before the socket goes.
 *
 * Node has no door for that, hence the private `_destroy`, which is where a socket's handle is
 * closed, and a read of the descriptor itself. TLS sockets are left alone: what lies below them is
 * ciphertext. Where Node keeps things elsewhere nothing is read, as before.
 */
export function hearLastWords(socket: Socket): void {
  if (!(socket instanceof Socket) || socket instanceof TLSSocket) return
  const destroy: unknown = Reflect.get(socket, '_destroy')
  if (typeof destroy !== 'function') return
  Reflect.set(socket, '_destroy', function (this: Socket, ...args: readonly unknown[]): unknown {
    if (isFailedWrite(args[0]) && !this.isPaused() && this.readableLength === 0) readRest(this)
    return Reflect.apply(destroy, this, args)
  })
}

function isFailedWrite(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'write'
}

function readRest(socket: Socket): void {
  const handle: unknown = Reflect.get(socket, '_handle')
  if (!isDescribed(handle)) return
  const bytes = Buffer.allocUnsafe(MAX_BYTES)
  let length = 0
  try {
    while (length < MAX_BYTES) {
      const read = readSync(handle.fd, bytes, length, MAX_BYTES - length, null)
      if (read === 0) break
      length += read
    }
  } catch {
    // The reset itself, or nothing there: what came before it counts.
  }
  if (length > 0) socket.emit('data', bytes.subarray(0, length))
}

function isDescribed(handle: unknown): handle is DescribedHandle {
  if (typeof handle !== 'object' || handle === null || !('fd' in handle)) return false
  return typeof handle.fd === 'number' && handle.fd >= 0
}

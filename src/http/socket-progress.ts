import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** What a libuv stream handle tells; undocumented, so nothing of it is taken for granted. */
interface CountingHandle {
  readonly bytesWritten: number
  readonly writeQueueSize: number
}

/**
 * Bytes of this connection that the kernel took so far; below TLS for a secured one. A peer that
 * reads makes it grow, however slowly, where 'drain' tells only that all was taken. Without the
 * handle's counters it is what the stream itself has passed on.
 */
export function deliveredBytes(socket: Socket): number {
  const handle = handleOf(socket)
  if (handle !== null) return handle.bytesWritten - handle.writeQueueSize
  return socket.bytesWritten - socket.writableLength
}

/** Bytes that were handed to the transport and wait for the kernel to take them. */
export function waitingBytes(socket: Socket): number {
  const handle = handleOf(socket)
  return handle === null ? socket.writableLength : handle.writeQueueSize
}

function handleOf(socket: Socket): CountingHandle | null {
  const handle: unknown = Reflect.get(transportOf(socket), '_handle')
  return isCounting(handle) ? handle : null
}

/** The TCP socket below a TLS socket that was built over one. */
function transportOf(socket: Socket): object {
  if (!(socket instanceof TLSSocket)) return socket
  const below: unknown = Reflect.get(socket, '_parent')
  return typeof below === 'object' && below !== null ? below : socket
}

function isCounting(handle: unknown): handle is CountingHandle {
  return (
    typeof handle === 'object' &&
    handle !== null &&
    'bytesWritten' in handle &&
    typeof handle.bytesWritten === 'number' &&
    'writeQueueSize' in handle &&
    typeof handle.writeQueueSize === 'number'
  )
}

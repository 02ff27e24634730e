import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** As large as libuv's own reads. */
const BUFFER_BYTES = 65_536

/** One for the process: reads are handled before the next one begins, on one thread. */
const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)

/** What `net.connect({ onread })` would have set; found by description, as they are not exported. */
const BUFFER_SYMBOL = 'kBuffer'
const CALLBACK_SYMBOL = 'kBufferCb'

interface UserBufferHandle {
  useUserBuffer(buffer: Buffer): void
}

/**
 * Lets a connected TCP socket read into one buffer shared by all of them, instead of a new one of
 * 64 KiB for every read: a third of the cost of a small request. `onChunk` replaces 'data' and gets
 * bytes that are overwritten by the next read of any socket.
 *
 * Node offers this for sockets it connects itself (the `onread` option); for accepted ones this
 * sets the same fields from outside. Returns false, and changes nothing, when the socket is of
 * another kind or Node keeps those fields elsewhere: use 'data' then. Not to be called from within a
 * 'data' event: the stream would start the next read behind a pause().
 */
export function readShared(socket: Socket, onChunk: (chunk: Buffer) => void): boolean {
  if (!(socket instanceof Socket) || socket instanceof TLSSocket || socket.destroyed) return false
  if (socket.readableLength > 0) return false
  const handle: unknown = Reflect.get(socket, '_handle')
  const bufferKey = ownSymbol(socket, BUFFER_SYMBOL)
  const callbackKey = ownSymbol(socket, CALLBACK_SYMBOL)
  if (bufferKey === null || callbackKey === null || !hasUserBuffer(handle)) return false
  if (Reflect.get(socket, bufferKey) !== null) return false
  handle.useUserBuffer(buffer)
  Reflect.set(socket, callbackKey, (length: number) => {
    onChunk(buffer.subarray(0, length))
    // False stops reading: a read that was under way when the socket was paused is the last.
    return !socket.isPaused()
  })
  Reflect.set(socket, bufferKey, buffer)
  return true
}

function ownSymbol(socket: Socket, description: string): symbol | null {
  for (const symbol of Object.getOwnPropertySymbols(socket)) {
    if (symbol.description === description) return symbol
  }
  return null
}

function hasUserBuffer(handle: unknown): handle is UserBufferHandle {
  return (
    typeof handle === 'object' &&
    handle !== null &&
    'useUserBuffer' in handle &&
    typeof handle.useUserBuffer === 'function'
  )
}

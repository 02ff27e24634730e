import { Socket } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { handleDoor, type WriteRequest } from './handle-door.ts'

/** Text up to this size is tried on the stack of one native call; more goes through the stream. */
const MAX_DIRECT_CHARACTERS = 16_384

/** A libuv TCP handle. */
interface WritableHandle {
  /** 0 or a negative errno. `request` is used only when the kernel did not take everything. */
  writeLatin1String(request: object, text: string): number
}

type WriteDone = (error?: Error | null) => void

/** The part of a socket that is not in its type. */
interface SocketInside {
  readonly _handle: WritableHandle | null
  _write(chunk: unknown, encoding: BufferEncoding, done: WriteDone): void
}

/** Used again for as long as writes end at once. */
let spareRequest: WriteRequest | null = null

/**
 * Writes short text to a connected TCP socket past its stream, whose bookkeeping costs as much as
 * the parsing of a small request. What the kernel does not take at once, and what fails, is handed
 * to the stream as one of its own writes: backpressure, 'drain', 'error', end() and destroy() are as
 * ever.
 *
 * Where Node's door to its handles is missing, and for sockets of other kinds, there is none of it.
 */
export class DirectWrites {
  readonly #socket: Socket
  readonly #inside: SocketInside

  private constructor(socket: Socket, inside: SocketInside) {
    this.#socket = socket
    this.#inside = inside
  }

  /** null: this socket is written to as a stream. */
  static of(socket: Socket): DirectWrites | null {
    const handle: unknown = Reflect.get(socket, '_handle')
    if (handleDoor === null || !(socket instanceof Socket)) return null
    if (!(handle instanceof handleDoor.TcpHandle)) return null
    // Every net.Socket has the two fields; its type leaves them out.
    return new DirectWrites(socket, socket as unknown as SocketInside)
  }

  /** False: nothing was written, and the stream has to do it. latin1. */
  write(text: string): boolean {
    const socket = this.#socket
    const handle = this.#inside._handle
    // Not past bytes that wait already, nor past the timer of a socket that has one.
    if (handle === null || socket.writableLength > 0 || socket.timeout) return false
    if (text.length > MAX_DIRECT_CHARACTERS) return false
    const { WriteRequest: Request, state, isAsync } = handleDoor!
    const request = (spareRequest ??= new Request())
    const error = handle.writeLatin1String(request, text)
    if (error !== 0) this.#handOver(text, (done) => done(writeError(error)))
    else if (state[isAsync] !== 0) {
      spareRequest = null
      this.#handOver(text, (done) => {
        const onComplete = (status: number): void => done(status < 0 ? writeError(status) : null)
        request.oncomplete = onComplete
      })
    }
    return true
  }

  /** Makes the stream believe that it has just begun to write `text` itself. */
  #handOver(text: string, follow: (done: WriteDone) => void): void {
    const inside = this.#inside
    let isTaken = false
    const take = (_chunk: unknown, _encoding: BufferEncoding, done: WriteDone): void => {
      isTaken = true
      follow(done)
    }
    inside._write = take
    this.#socket.write(text, 'latin1')
    inside._write = Socket.prototype._write
    // A stream that put it aside would write it a second time.
    if (!isTaken) this.#socket.destroy()
  }
}

/** As Node reports a failed write of its own. */
function writeError(errno: number): Error {
  const code = getSystemErrorName(errno)
  return Object.assign(new Error(`write ${code}`), { errno, code, syscall: 'write' })
}

import { Socket } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { handleDoor, type WriteRequest } from './handle-door.ts'

/** Text up to this size is tried on the stack of one native call; more goes through the stream. */
const MAX_DIRECT_CHARACTERS = 16_384

/**
 * A libuv TCP handle. Each gives 0 or a negative errno; `request` is used only when the kernel did not
 * take everything.
 */
interface WritableHandle {
  writeLatin1String(request: object, text: string): number
  writeBuffer(request: object, bytes: Buffer): number
  /** Chunks, each followed by its encoding. */
  writev(request: object, chunks: readonly (string | Buffer)[]): number
}

/** Memory that is written from; `free` is called once when it is not needed any more. */
export interface WrittenMemory {
  free(): void
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
 * Writes to a connected TCP socket past its stream, whose bookkeeping costs as much as the parsing of
 * a small request, and which asks for a 'drain' after a large chunk though the kernel has all of it.
 * What the kernel does not take at once, and what fails, is handed to the stream as one of its own
 * writes: backpressure, 'drain', 'error', end() and destroy() are as ever.
 *
 * A socket that is written to directly gets no timer (`setTimeout`) later, and nobody else writes to it
 * but after `giveWay`.
 *
 * Where Node's door to its handles is missing, and for sockets of other kinds, there is none of it.
 */
export class DirectWrites {
  readonly #socket: Socket
  readonly #inside: SocketInside
  /**
   * Known to be free: nothing was written through the stream since. null: ask the socket. So a small
   * write looks at neither socket nor stream; with many connections these are not in the cache.
   */
  #handle: WritableHandle | null = null

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

  /** The kernel has all that was written. */
  get isClear(): boolean {
    return this.#handle !== null || this.#socket.writableLength === 0
  }

  /** False: nothing was written, and the stream has to do it. latin1. */
  write(text: string): boolean {
    if (text.length > MAX_DIRECT_CHARACTERS) {
      this.giveWay()
      return false
    }
    const handle = this.#freeHandle()
    if (handle === null) return false
    const request = (spareRequest ??= new handleDoor!.WriteRequest())
    this.#settle(handle.writeLatin1String(request, text), request, text, null)
    return true
  }

  /**
   * `text` (latin1, may be empty) and `bytes` as one. False: as above. While the socket's writableLength
   * is not 0, `bytes` must stay as they are; `memory` is told when they need not.
   */
  writeBytes(text: string, bytes: Buffer, memory: WrittenMemory | null = null): boolean {
    const handle = this.#freeHandle()
    if (handle === null) return false
    const request = (spareRequest ??= new handleDoor!.WriteRequest())
    const error =
      text === ''
        ? handle.writeBuffer(request, bytes)
        : handle.writev(request, [text, 'latin1', bytes, 'buffer'])
    this.#settle(error, request, bytes, memory)
    return true
  }

  /** The stream is written to next. */
  giveWay(): void {
    this.#handle = null
  }

  #freeHandle(): WritableHandle | null {
    return this.#handle ?? this.#findHandle()
  }

  /** null: not past bytes that wait already, nor past the timer of a socket that has one. */
  #findHandle(): WritableHandle | null {
    const socket = this.#socket
    const isFree = socket.writable && socket.writableLength === 0 && !socket.timeout
    this.#handle = isFree ? this.#inside._handle : null
    return this.#handle
  }

  /** What becomes of a write that the handle was given; `chunk` stands for it in the stream. */
  #settle(
    error: number,
    request: WriteRequest,
    chunk: string | Buffer,
    memory: WrittenMemory | null,
  ): void {
    const { state, isAsync } = handleDoor!
    if (error === 0 && state[isAsync] === 0) {
      memory?.free()
      return
    }
    this.#handle = null
    if (error === 0) {
      spareRequest = null
      if (typeof chunk !== 'string') request.buffer = chunk
      this.#handOver(chunk, (done) => {
        const onComplete = (status: number): void => {
          memory?.free()
          done(status < 0 ? writeError(status) : null)
        }
        request.oncomplete = onComplete
      })
      return
    }
    // A socket that was ended or destroyed since: as a stream that takes nothing, but without an error.
    if (this.#socket.writable) this.#handOver(chunk, (done) => done(writeError(error)))
    memory?.free()
  }

  /** Makes the stream believe that it has just begun to write `chunk` itself. */
  #handOver(chunk: string | Buffer, follow: (done: WriteDone) => void): void {
    const inside = this.#inside
    let isTaken = false
    const take = (_chunk: unknown, _encoding: BufferEncoding, done: WriteDone): void => {
      isTaken = true
      follow(done)
    }
    inside._write = take
    this.#socket.write(chunk, 'latin1')
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

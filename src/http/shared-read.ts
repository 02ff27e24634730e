import { Socket } from 'node:net'
import {
  dropOwnBuffer,
  releaseBuffer,
  sharedBuffer,
  sharedView,
  spareBuffer,
  takeEarlyBuffer,
  takeOwnBuffer,
} from './read-buffers.ts'
import { tickQueue } from './tick-queue.ts'

/**
 * A read of this size is part of a stream of them: the socket gets a buffer of its own. More than a
 * TLS record brings, which would fill a fifth of such a buffer.
 */
const STREAMING_BYTES = 16_385
/** After so many smaller reads in a row it goes back to the shared one. */
const SMALL_READS = 8

/** What `net.connect({ onread })` would have set; found by description, as they are not exported. */
const BUFFER_SYMBOL = 'kBuffer'
const CALLBACK_SYMBOL = 'kBufferCb'
const NEXT_BUFFER_SYMBOL = 'kBufferGen'

interface UserBufferHandle {
  useUserBuffer(buffer: Buffer): void
}

/** Where sockets of this Node keep what reads to a buffer need; all have the same symbols. */
interface ReadSymbols {
  readonly buffer: symbol
  readonly callback: symbol
  readonly next: symbol
}

/** Where a socket keeps the SocketReads that `readShared` gave it. */
const READS = Symbol('reads')

/** null: not looked for yet, or not found. */
let knownSymbols: ReadSymbols | null = null

/** The read whose bytes are being handed out right now. */
const delivery: { reads: SocketReads | null } = { reads: null }

/**
 * Lets a connected TCP or TLS socket read into one buffer shared by all of them, instead of a new one of
 * 64 KiB for every read: a third of the cost of a small request. `onChunk` replaces 'data' and gets
 * bytes that are overwritten by the next read of any socket. A socket that streams reads into a
 * buffer of its own, which a writer may keep (`lendChunk`) where it would else have to copy.
 *
 * Node offers this for sockets it connects itself (the `onread` option); for accepted ones this
 * sets the same fields from outside. Returns false, and changes nothing, when the socket is of
 * another kind or Node keeps those fields elsewhere: use 'data' then. Not to be called from within a
 * 'data' event: the stream would start the next read behind a pause().
 *
 * `expectsMuch`: it begins with a buffer of its own, if there is one, so that not even the first
 * large read is copied.
 */
export function readShared(
  socket: Socket,
  onChunk: (chunk: Buffer) => void,
  expectsMuch: boolean = false,
): boolean {
  if (!(socket instanceof Socket) || socket.destroyed) return false
  if (socket.readableLength > 0) return false
  const handle: unknown = Reflect.get(socket, '_handle')
  const fields = insideOf(socket)
  knownSymbols ??= findSymbols(socket)
  const symbols = knownSymbols
  if (symbols === null) return false
  // undefined: a socket of another kind, which does not have the field at all.
  if (!hasUserBuffer(handle) || fields[symbols.buffer] !== null) return false
  const reads = new SocketReads(socket, onChunk)
  const buffer = (expectsMuch ? reads.beginEarly() : null) ?? sharedBuffer
  handle.useUserBuffer(buffer)
  fields[symbols.callback] = reads.onRead
  fields[symbols.next] = reads.nextBuffer
  fields[symbols.buffer] = buffer
  fields[READS] = reads
  // A new socket reads ahead into its stream while it is paused; there is no stream to read into now.
  if (socket.isPaused()) socket.pause()
  return true
}

/**
 * `onChunk` gets the reads that a socket shares already, from now on: even from within the chunk that
 * is being handed out. False: it does not share them.
 */
export function takeReads(socket: Socket, onChunk: (chunk: Buffer) => void): boolean {
  const reads = readsOf(socket)
  reads?.giveTo(onChunk)
  return reads !== null
}

/**
 * What the socket reads goes to its stream again, as copies. Or somebody else reads from the handle
 * below it, and decides by itself when, even if the socket was paused while it hands out a chunk.
 */
export function releaseReads(socket: Socket): void {
  readsOf(socket)?.giveTo(null)
}

/** Takes from a closed socket what `readShared` gave it. */
export function forgetReads(socket: Socket): void {
  if (knownSymbols === null) return
  const fields = insideOf(socket)
  if (fields[knownSymbols.callback] === undefined) return
  fields[knownSymbols.callback] = readNothing
  fields[knownSymbols.next] = null
  fields[READS] = undefined
}

function readsOf(socket: Socket): SocketReads | null {
  const reads = insideOf(socket)[READS]
  return reads instanceof SocketReads ? reads : null
}

/** Fields that its type leaves out; not by Reflect, which is slow for new connections. */
function insideOf(socket: Socket): Record<symbol, unknown> {
  return socket as unknown as Record<symbol, unknown>
}

function readNothing(): boolean {
  return false
}

/** True for bytes that a later read overwrites: who keeps them must copy them, or be lent them. */
export function isVolatile(chunk: Buffer): boolean {
  return chunk.buffer === sharedBuffer.buffer || delivery.reads?.owns(chunk) === true
}

/** True when `lendBuffer` hands out the memory of this chunk: it is being handed out right now. */
export function isLendable(chunk: Buffer): boolean {
  return delivery.reads?.lends(chunk) === true
}

/**
 * The buffer behind the chunk that is being handed out; its socket reads into another one from now
 * on. Give it to `releaseBuffer` when its bytes are written. Only for a chunk that is lendable.
 */
export function lendBuffer(): Buffer {
  return delivery.reads!.lend()
}

/** Where one socket's bytes are read to. */
class SocketReads {
  readonly #socket: Socket
  /** null: the stream. */
  #onChunk: ((chunk: Buffer) => void) | null
  /** null: the shared one. */
  #own: Buffer | null = null
  #lent = false
  #listens = false
  /** How many reads in a row were small. */
  #smallReads = SMALL_READS

  constructor(socket: Socket, onChunk: (chunk: Buffer) => void) {
    this.#socket = socket
    this.#onChunk = onChunk
  }

  giveTo(onChunk: ((chunk: Buffer) => void) | null): void {
    this.#onChunk = onChunk
  }

  owns(chunk: Buffer): boolean {
    return this.#own !== null && chunk.buffer === this.#own.buffer
  }

  /** Nobody has it yet: a second one must copy. */
  lends(chunk: Buffer): boolean {
    return !this.#lent && this.owns(chunk)
  }

  lend(): Buffer {
    this.#lent = true
    return this.#own!
  }

  /** Before the first read. null: the shared one serves as well. */
  beginEarly(): Buffer | null {
    this.#own = takeEarlyBuffer()
    if (this.#own === null) return null
    this.#smallReads = 0
    this.#listen()
    return this.#own
  }

  readonly onRead = (length: number): boolean => {
    const own = this.#own
    const chunk = own === null ? sharedView(length) : own.subarray(0, length)
    if (this.#onChunk === null) return this.#socket.push(Buffer.from(chunk))
    if (length >= STREAMING_BYTES) this.#smallReads = 0
    else if (this.#smallReads < SMALL_READS) this.#smallReads++
    delivery.reads = this
    tickQueue.beginTurn()
    try {
      this.#onChunk(chunk)
    } finally {
      delivery.reads = null
      tickQueue.endTurn()
    }
    // False stops reading: a read that was under way when the socket was paused is the last.
    return this.#onChunk === null || !this.#socket.isPaused()
  }

  /** Called by Node behind each read: the buffer for the next one, or undefined for the same. */
  readonly nextBuffer = (): Buffer | undefined => {
    const streams = this.#smallReads < SMALL_READS && this.#onChunk !== null
    const own = this.#own
    if (own === null) return streams ? this.#begin() : undefined
    if (!streams || this.#socket.destroyed) {
      this.#end()
      return sharedBuffer
    }
    if (!this.#lent) return undefined
    this.#lent = false
    this.#own = spareBuffer()
    return this.#own
  }

  #begin(): Buffer | undefined {
    if (this.#socket.destroyed) return undefined
    this.#own = takeOwnBuffer()
    this.#listen()
    return this.#own ?? undefined
  }

  #listen(): void {
    if (this.#listens) return
    this.#listens = true
    this.#socket.on('close', this.#onClose)
  }

  #end(): void {
    const own = this.#own
    if (own === null) return
    if (!this.#lent) releaseBuffer(own)
    this.#own = null
    this.#lent = false
    dropOwnBuffer()
  }

  readonly #onClose = (): void => {
    this.#end()
  }
}

function findSymbols(socket: Socket): ReadSymbols | null {
  const buffer = ownSymbol(socket, BUFFER_SYMBOL)
  const callback = ownSymbol(socket, CALLBACK_SYMBOL)
  const next = ownSymbol(socket, NEXT_BUFFER_SYMBOL)
  return buffer === null || callback === null || next === null ? null : { buffer, callback, next }
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

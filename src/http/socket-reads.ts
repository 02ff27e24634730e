import type { Socket } from 'node:net'
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

/** Gets what is read from a socket. */
export interface ChunkReader {
  /** `chunk` is overwritten by the next read of any socket. */
  onChunk(chunk: Buffer): void
}

/** The read whose bytes are being handed out right now. */
const delivery: { reads: SocketReads | null } = { reads: null }

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

/** Where one socket's bytes are read to, and who gets them. */
export class SocketReads {
  /** null: the socket's stream. */
  #reader: ChunkReader | null
  /** null: the shared one. */
  #own: Buffer | null = null
  /** How many reads in a row were small. */
  #smallReads = SMALL_READS
  #lent = false
  #listens = false
  readonly #socket: Socket

  constructor(socket: Socket, reader: ChunkReader) {
    this.#socket = socket
    this.#reader = reader
  }

  get hasReader(): boolean {
    return this.#reader !== null
  }

  giveTo(reader: ChunkReader | null): void {
    this.#reader = reader
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

  /** `length` bytes were read to where it said. False: the stream has enough of them. */
  handOut(length: number): boolean {
    const reader = this.#reader
    const own = this.#own
    const chunk = own === null ? sharedView(length) : own.subarray(0, length)
    if (reader === null) return this.#socket.push(Buffer.from(chunk))
    if (length >= STREAMING_BYTES) this.#smallReads = 0
    else if (this.#smallReads < SMALL_READS) this.#smallReads++
    delivery.reads = this
    tickQueue.beginTurn()
    try {
      reader.onChunk(chunk)
    } finally {
      delivery.reads = null
      tickQueue.endTurn()
    }
    return true
  }

  /** Behind each read: where the next one goes, or undefined for the same place. */
  nextBuffer(): Buffer | undefined {
    const streams = this.#smallReads < SMALL_READS && this.#reader !== null
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
    this.#socket.on('close', () => this.#end())
  }

  #end(): void {
    const own = this.#own
    if (own === null) return
    if (!this.#lent) releaseBuffer(own)
    this.#own = null
    this.#lent = false
    dropOwnBuffer()
  }
}

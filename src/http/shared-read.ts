import { Socket } from 'node:net'
import { handleDoor } from './handle-door.ts'
import { sharedBuffer } from './read-buffers.ts'
import { SocketReads, type ChunkReader } from './socket-reads.ts'

/** What `net.connect({ onread })` would have set; found by description, as they are not exported. */
const BUFFER_SYMBOL = 'kBuffer'
const CALLBACK_SYMBOL = 'kBufferCb'
const NEXT_BUFFER_SYMBOL = 'kBufferGen'

/** A libuv handle that reads to memory of ours. */
interface ReadingHandle {
  useUserBuffer(buffer: Buffer): void
  /** Called behind each read. What it returns, if anything, is where the next one goes. */
  onread: OnRead
  [READS]?: SocketReads
}

type OnRead = (this: ReadingHandle, bytes: ArrayBuffer | undefined) => Buffer | undefined

/** Where sockets of this Node keep what reads to a buffer need; all have the same symbols. */
interface ReadSymbols {
  readonly buffer: symbol
  readonly callback: symbol
  readonly next: symbol
}

/** Where a socket, and its handle, keep the SocketReads that `readShared` gave it. */
const READS = Symbol('reads')

/** null: not looked for yet, or not found. */
let knownSymbols: ReadSymbols | null = null
/** Node's own listener to the handles of sockets. null: none was seen yet. */
let nodeOnRead: OnRead | null = null

/**
 * Lets a connected TCP or TLS socket read into one buffer shared by all of them, instead of a new one of
 * 64 KiB for every read: a third of the cost of a small request. `reader` replaces 'data' and gets
 * bytes that are overwritten by the next read of any socket. A socket that streams reads into a
 * buffer of its own, which a writer may keep (`lendBuffer`) where it would else have to copy.
 *
 * Node offers this for sockets it connects itself (the `onread` option); for accepted ones this
 * sets the same fields from outside. Returns false, and changes nothing, when the socket is of
 * another kind or Node keeps those fields elsewhere: use 'data' then. Not to be called from within a
 * 'data' event: the stream would start the next read behind a pause().
 *
 * Reads of TCP go past Node's own listener, which looks at the socket and both of its streams each
 * time: with many connections none of these is in the processor's cache. A socket that has a timer
 * (`setTimeout`) by now keeps that listener, which moves the timer on; none is to get one later.
 *
 * `expectsMuch`: it begins with a buffer of its own, if there is one, so that not even the first
 * large read is copied.
 */
export function readShared(
  socket: Socket,
  reader: ChunkReader,
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
  if (!isReadingHandle(handle) || fields[symbols.buffer] !== null) return false
  const reads = new SocketReads(socket, reader)
  const buffer = (expectsMuch ? reads.beginEarly() : null) ?? sharedBuffer
  handle.useUserBuffer(buffer)
  fields[symbols.buffer] = buffer
  fields[READS] = reads
  if (socket.timeout || !readPast(handle, reads)) readByNode(socket, symbols, reads)
  // A new socket reads ahead into its stream while it is paused; there is no stream to read into now.
  if (socket.isPaused()) socket.pause()
  return true
}

/**
 * `reader` gets the reads that a socket shares already, from now on: even from within the chunk that
 * is being handed out. False: it does not share them.
 */
export function takeReads(socket: Socket, reader: ChunkReader): boolean {
  const reads = readsOf(socket)
  reads?.giveTo(reader)
  return reads !== null
}

/**
 * What the socket reads goes to its stream again, as copies. Or somebody else reads from the handle
 * below it, and decides by itself when, even if the socket was paused while it hands out a chunk.
 */
export function releaseReads(socket: Socket): void {
  const reads = readsOf(socket)
  if (reads === null) return
  reads.giveTo(null)
  const handle: unknown = Reflect.get(socket, '_handle')
  if (isReadingHandle(handle) && handle.onread === onRead) handle.onread = nodeOnRead!
  readByNode(socket, knownSymbols!, reads)
}

/** Takes from a closed socket what `readShared` gave it. */
export function forgetReads(socket: Socket): void {
  const reads = readsOf(socket)
  if (reads === null) return
  const fields = insideOf(socket)
  reads.giveTo(null)
  fields[knownSymbols!.callback] = readNothing
  fields[knownSymbols!.next] = null
  fields[READS] = undefined
}

/** False: Node's own listener stays. */
function readPast(handle: ReadingHandle, reads: SocketReads): boolean {
  if (handleDoor === null || !(handle instanceof handleDoor.TcpHandle)) return false
  nodeOnRead ??= handle.onread
  if (handle.onread !== nodeOnRead) return false
  handle[READS] = reads
  handle.onread = onRead
  return true
}

/** Instead of Node's listener: bytes go to who reads them, all else to Node. */
function onRead(this: ReadingHandle, bytes: ArrayBuffer | undefined): Buffer | undefined {
  const { state, readLength } = handleDoor!
  const length = state[readLength]!
  if (length <= 0) return nodeOnRead!.call(this, bytes)
  const reads = this[READS]!
  reads.handOut(length)
  return reads.nextBuffer()
}

/** Has Node's own listener hand the bytes on. */
function readByNode(socket: Socket, symbols: ReadSymbols, reads: SocketReads): void {
  const fields = insideOf(socket)
  // False stops reading: a read that was under way when the socket was paused is the last.
  fields[symbols.callback] = (length: number): boolean =>
    reads.handOut(length) && !(reads.hasReader && socket.isPaused())
  fields[symbols.next] = (): Buffer | undefined => reads.nextBuffer()
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

function isReadingHandle(handle: unknown): handle is ReadingHandle {
  return (
    typeof handle === 'object' &&
    handle !== null &&
    'useUserBuffer' in handle &&
    typeof handle.useUserBuffer === 'function' &&
    'onread' in handle &&
    typeof handle.onread === 'function'
  )
}

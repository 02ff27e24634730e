import type { Socket } from 'node:net'
import type { Listed } from '../base/roster.ts'
import type { PeerAddresses } from './accepted-peer.ts'
import { beginsStream } from './h2-first-frames.ts'
import { readShared, releaseReads, takeReads } from './shared-read.ts'
import { ignoreError } from './socket-close.ts'
import type { ChunkReader } from './socket-reads.ts'

/** Most clients ask at once. Those that want to see our SETTINGS first wait so long for them. */
export const PROBATION_MS = 100
/** Bytes without the head of a request; more, and the session begins. */
export const MAX_PROBATION_BYTES = 16_384

export interface ProbationOwner {
  /** Always, unless the connection ended before: `bytes` are all that was read. */
  onProbationOver(probation: H2Probation, bytes: Buffer): void
  onProbationGone(probation: H2Probation): void
}

/**
 * A new connection of a client whose sessions were ended for floods: its session begins when the
 * head of a request has come, so that what comes with it can be judged. node:http2 takes a whole
 * read in one go, and a session costs about a millisecond, before it tells of anything.
 */
export class H2Probation implements ChunkReader, Listed {
  rosterPlace = -1
  readonly socket: Socket
  readonly context: unknown
  readonly peer: PeerAddresses | null
  readonly #owner: ProbationOwner
  readonly #timer: NodeJS.Timeout
  readonly #wasRead: boolean
  #bytes: Buffer

  constructor(
    socket: Socket,
    context: unknown,
    peer: PeerAddresses | null,
    owner: ProbationOwner,
    firstBytes: Buffer | null,
  ) {
    this.socket = socket
    this.context = context
    this.peer = peer
    this.#owner = owner
    this.#bytes = Buffer.from(firstBytes ?? [])
    this.#wasRead = firstBytes !== null
    this.#timer = setTimeout(this.end, PROBATION_MS)
  }

  start(): void {
    const { socket } = this
    socket.on('end', this.#onEnd)
    socket.on('error', ignoreError)
    socket.on('close', this.#onClose)
    // A socket that others read by events may be within one.
    const share = this.#wasRead ? takeReads : readShared
    if (!share(socket, this)) socket.on('data', this.#onData)
    socket.resume()
  }

  /** The session begins now. */
  readonly end = (): void => {
    const { socket } = this
    clearTimeout(this.#timer)
    // 'close' follows.
    if (socket.destroyed) return
    socket.off('data', this.#onData)
    socket.off('end', this.#onEnd)
    socket.off('error', ignoreError)
    socket.off('close', this.#onClose)
    releaseReads(socket)
    socket.pause()
    this.#owner.onProbationOver(this, this.#bytes)
  }

  readonly #onData = (chunk: Buffer): void => this.onChunk(chunk)

  onChunk(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    if (beginsStream(this.#bytes) || this.#bytes.length > MAX_PROBATION_BYTES) this.end()
  }

  readonly #onEnd = (): void => {
    this.socket.destroy()
  }

  readonly #onClose = (): void => {
    clearTimeout(this.#timer)
    this.#owner.onProbationGone(this)
  }
}

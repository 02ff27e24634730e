import type { Socket } from 'node:net'
import type { PeerAddresses } from './accepted-peer.ts'
import type { HttpSettings } from './http-settings.ts'
import { matchPreface, PREFACE_BEGINS, PREFACE_MATCHES } from './http2-preface.ts'
import { readShared, releaseReads } from './shared-read.ts'
import { ignoreError } from './socket-close.ts'
import type { ChunkReader } from './socket-reads.ts'
import { NEVER, type Timed, type TimerWheel } from './timer-wheel.ts'

/**
 * Where a sniffed connection goes, and who forgets it when it goes nowhere. The bytes are valid until
 * the call returns.
 */
export interface SnifferOwner {
  readonly wheel: TimerWheel
  readonly settings: HttpSettings
  onHttp1(sniffer: PrefaceSniffer, firstBytes: Buffer): void
  onHttp2(sniffer: PrefaceSniffer, firstBytes: Buffer): void
  onSnifferOver(sniffer: PrefaceSniffer): void
}

/** Tells HTTP/2 with prior knowledge from HTTP/1.1 by the first bytes of a connection. */
export class PrefaceSniffer implements ChunkReader, Timed {
  readonly socket: Socket
  readonly context: unknown
  readonly peer: PeerAddresses | null
  deadlineTick = NEVER
  wheelTick = -1
  wheelPlace = 0
  rosterPlace = -1

  readonly #owner: SnifferOwner
  #bytes: Buffer | null = null

  constructor(owner: SnifferOwner, socket: Socket, context: unknown, peer: PeerAddresses | null) {
    this.#owner = owner
    this.socket = socket
    this.context = context
    this.peer = peer
  }

  start(firstBytes: Buffer | null): void {
    const { socket } = this
    const { sharedReads } = this.#owner.settings
    if (!sharedReads || !readShared(socket, this)) socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('error', ignoreError)
    socket.on('close', this.#onClose)
    this.#owner.wheel.arm(this, this.#owner.settings.idleTimeoutMs)
    if (firstBytes !== null && firstBytes.length > 0) this.#onData(firstBytes)
  }

  /** Nothing came yet: a moment for what may be on its way, then the end. */
  closeIfIdle(): void {
    if (this.#bytes === null) this.#owner.wheel.arm(this, this.#owner.settings.lingerTimeoutMs)
  }

  destroy(): void {
    this.socket.destroy()
  }

  onTimeout(): void {
    this.socket.destroy()
  }

  readonly #onData = (chunk: Buffer): void => this.onChunk(chunk)

  onChunk(chunk: Buffer): void {
    const bytes = this.#bytes === null ? chunk : Buffer.concat([this.#bytes, chunk])
    const match = matchPreface(bytes)
    if (match === PREFACE_BEGINS) {
      if (this.#bytes === null) this.#owner.wheel.arm(this, this.#owner.settings.headTimeoutMs)
      this.#bytes = Buffer.from(bytes)
      return
    }
    this.#letGo()
    if (match === PREFACE_MATCHES) {
      releaseReads(this.socket)
      this.socket.pause()
      this.#owner.onHttp2(this, bytes)
    } else this.#owner.onHttp1(this, bytes)
  }

  #letGo(): void {
    const { socket } = this
    socket.off('data', this.#onData)
    socket.off('end', this.#onEnd)
    socket.off('error', ignoreError)
    socket.off('close', this.#onClose)
    this.#owner.wheel.disarm(this)
  }

  readonly #onEnd = (): void => {
    this.socket.destroy()
  }

  readonly #onClose = (): void => {
    this.#owner.wheel.disarm(this)
    this.#owner.onSnifferOver(this)
  }
}

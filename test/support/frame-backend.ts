import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import {
  ACK,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  headerBlock,
  HEADERS,
  PREFACE,
  readFrames,
  type SeenFrame,
  SETTINGS,
} from './h2-frames.ts'

/** One HTTP/2 connection of the gateway, served frame by frame. */
export class FramePeer {
  readonly socket: Socket
  readonly frames: SeenFrame[] = []
  closed = false
  /** A script has run on this connection. */
  struck = false
  #buffered: Buffer = Buffer.alloc(0)
  #begun = false

  constructor(socket: Socket) {
    this.socket = socket
  }

  send(...frames: readonly Buffer[]): this {
    if (this.socket.writable) this.socket.write(Buffer.concat(frames))
    return this
  }

  /** Says no more on this connection. */
  end(): this {
    this.socket.end()
    return this
  }

  /** A head, and the whole answer when there is a body. */
  answer(stream: number, body: string): this {
    return this.send(
      head(stream, [[':status', '200']]),
      frame(DATA, END_STREAM, stream, Buffer.from(body)),
    )
  }

  seen(type: number, stream: number): boolean {
    return this.frames.some((each) => each.type === type && each.stream === stream)
  }

  /** Frames that came whole with this chunk. */
  take(chunk: Buffer): readonly SeenFrame[] {
    this.#buffered = Buffer.concat([this.#buffered, chunk])
    if (!this.#begun) {
      if (this.#buffered.length < PREFACE.length) return []
      this.#begun = true
      this.#buffered = this.#buffered.subarray(PREFACE.length)
    }
    const before = this.frames.length
    this.#buffered = readFrames(this.#buffered, this.frames)
    return this.frames.slice(before)
  }
}

export type FrameScript = (peer: FramePeer, stream: number, block: Buffer) => void

/** HEADERS with END_HEADERS. */
export function head(
  stream: number,
  fields: readonly (readonly [string, string])[],
  flags = 0,
): Buffer {
  return frame(HEADERS, END_HEADERS | flags, stream, headerBlock(fields))
}

/** A backend that speaks HTTP/2 in raw frames: a script answers every request. */
export class FrameBackend implements AsyncDisposable {
  readonly peers: FramePeer[] = []
  script: FrameScript = (peer, stream) => void peer.answer(stream, 'ok')
  readonly #server: Server

  private constructor(settings: Buffer) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      const peer = new FramePeer(socket)
      this.peers.push(peer)
      socket.on('error', () => {})
      socket.on('close', () => (peer.closed = true))
      socket.on('data', (chunk: Buffer) => {
        for (const seen of peer.take(chunk)) this.#serve(peer, seen)
      })
      peer.send(frame(SETTINGS, 0, 0, settings))
    })
  }

  /** `settings` is the payload of the SETTINGS frame that each connection begins with. */
  static async start(settings: Buffer = Buffer.alloc(0)): Promise<FrameBackend> {
    const backend = new FrameBackend(settings)
    await new Promise<void>((resolve) => backend.#server.listen(0, '127.0.0.1', resolve))
    return backend
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get open(): number {
    return this.peers.filter(({ closed }) => !closed).length
  }

  #serve(peer: FramePeer, seen: SeenFrame): void {
    if (seen.type === SETTINGS && (seen.flags & ACK) === 0) {
      peer.send(frame(SETTINGS, ACK, 0, Buffer.alloc(0)))
    } else if (seen.type === HEADERS) this.script(peer, seen.stream, seen.payload)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.peers) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

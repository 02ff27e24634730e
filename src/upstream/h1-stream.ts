import type { Headers } from '../http/headers.ts'
import { writeFields } from '../http/message-writer.ts'
import { UNKNOWN_LENGTH } from '../http/request.ts'
import type { SocketWriter } from '../http/socket-writer.ts'
import type { H1Connection } from './h1-connection.ts'
import type {
  AttemptObserver,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamStream,
} from './transport.ts'

/** One request on an upstream HTTP/1.1 connection: its sending half and who hears the answer. */
export class H1Stream implements UpstreamStream {
  readonly remote: string
  readonly local: string
  readonly reused: boolean
  readonly request: UpstreamRequest
  readonly handler: UpstreamHandler
  readonly observer: AttemptObserver
  /** Nothing more is sent for this request. */
  requestEnded: boolean
  /** The attempt is over, however it ended. */
  over = false
  isTunnel = false
  waitsForDrain = false

  readonly #connection: H1Connection
  readonly #writer: SocketWriter
  /** Body bytes still owed, or UNKNOWN_LENGTH when chunked. */
  #remaining: number

  constructor(
    connection: H1Connection,
    writer: SocketWriter,
    request: UpstreamRequest,
    handler: UpstreamHandler,
    observer: AttemptObserver,
  ) {
    this.remote = connection.remote
    this.local = connection.local
    this.reused = connection.requests > 1
    this.request = request
    this.handler = handler
    this.observer = observer
    this.requestEnded = request.bodyLength === 0
    this.#connection = connection
    this.#writer = writer
    this.#remaining = request.bodyLength
  }

  sendBody(chunk: Buffer): boolean {
    if (this.over || chunk.length === 0) return true
    if (this.isTunnel) this.#connection.sendToTunnel(chunk)
    else if (this.requestEnded) return true
    else if (this.#remaining === UNKNOWN_LENGTH) {
      this.#writer.text(`${chunk.length.toString(16)}\r\n`)
      this.#writer.bytes(chunk)
      this.#writer.text('\r\n')
    } else if (chunk.length > this.#remaining) {
      // More than was announced would be read as another request.
      this.#connection.failLength()
      return true
    } else {
      this.#remaining -= chunk.length
      this.#writer.bytes(chunk)
    }
    this.#connection.schedule()
    if (!this.#writer.blocked) return true
    this.waitsForDrain = true
    return false
  }

  sendEnd(trailers: Headers | null): void {
    if (this.over) return
    if (this.isTunnel) {
      this.#connection.endTunnelOutput()
      return
    }
    if (this.requestEnded) return
    if (this.#remaining > 0) {
      this.#connection.failLength()
      return
    }
    this.requestEnded = true
    if (this.#remaining === UNKNOWN_LENGTH) {
      const fields = trailers === null ? '' : writeFields(trailers)
      // Without its last chunk the backend cannot take the request for a whole one.
      if (fields === null) process.nextTick(() => this.#connection.refuse(this))
      else this.#writer.text(`0\r\n${fields}\r\n`)
    }
    this.#connection.schedule()
  }

  pauseResponse(): void {
    if (!this.over) this.#connection.pauseReading()
  }

  resumeResponse(): void {
    if (!this.over) this.#connection.resumeReading()
  }

  abort(): void {
    if (!this.over) this.#connection.abandon(this)
  }
}

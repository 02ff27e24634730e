import type { DownstreamExchange, ExchangeHandler } from './exchange.ts'
import { Headers } from './headers.ts'
import { contentLength, statusLine, writeFields, writeHead } from './message-writer.ts'
import { partOf } from './read-buffers.ts'
import { UNKNOWN_LENGTH, type Request } from './request.ts'
import type { ServerConnection } from './server-connection.ts'
import type { SocketWriter } from './socket-writer.ts'

const NO_BODY = 0
const FIXED = 1
const CHUNKED = 2
const UNTIL_CLOSE = 3
const TUNNEL = 4

/** One request and its answer on an HTTP/1.1 server connection. */
export class ServerExchange implements DownstreamExchange {
  readonly request: Request
  readonly connection: ServerConnection
  handler: ExchangeHandler | null = null
  bytesReceived = 0
  bytesSent = 0
  headSent = false
  ownStatus = 0
  /** The answer is complete, or the exchange is dead: send* has no effect any more. */
  ended = false

  readonly #writer: SocketWriter
  readonly #wantsTrailers: boolean
  #continueSent = false
  /** send* returned false: the handler waits for room. */
  #waitsForDrain = false
  #mode = NO_BODY
  #remaining = 0
  #headers: Headers | null = null

  constructor(
    connection: ServerConnection,
    writer: SocketWriter,
    request: Request,
    wantsTrailers: boolean,
  ) {
    this.connection = connection
    this.request = request
    this.#writer = writer
    this.#wantsTrailers = wantsTrailers
  }

  /** The client waits for a 100 Continue that did not go out: it may never send its body. */
  get owesContinue(): boolean {
    return this.request.expectsContinue && !this.#continueSent
  }

  get isTunnel(): boolean {
    return this.#mode === TUNNEL
  }

  /** For the connection: body bytes `chunk[start, end)`. */
  receive(chunk: Buffer, start: number, end: number): void {
    if (start === end || this.ended) return
    this.bytesReceived += end - start
    this.handler?.onRequestBody(partOf(chunk, start, end))
  }

  /** For the connection: the request, or the client's side of the tunnel, is complete. */
  receiveEnd(trailers: Headers | null): void {
    if (!this.ended) this.handler?.onRequestEnd(trailers)
  }

  /** For the connection: there is room for output again. */
  drained(): void {
    if (!this.#waitsForDrain || this.ended) return
    this.#waitsForDrain = false
    this.handler?.onDownstreamDrain()
  }

  pauseRequestBody(): void {
    if (!this.#isDead()) this.connection.pauseReading()
  }

  resumeRequestBody(): void {
    if (!this.#isDead()) this.connection.resumeReading()
  }

  sendInformational(status: number, headers: Headers): void {
    if (this.headSent || this.ended || this.request.protocol === 'HTTP/1.0') return
    const head = writeHead(statusLine(status), headers, '')
    if (head === null) return
    if (status === 100) this.#continueSent = true
    this.#writer.text(head)
    this.connection.schedule()
  }

  sendHead(status: number, headers: Headers, bodyLength: number, last: boolean): boolean {
    if (this.headSent || this.ended) return true
    this.#headers = headers
    if (this.#writeHead(status, headers, bodyLength, last)) return this.#hasRoom()
    this.#answerInvariant()
    return true
  }

  sendWhole(status: number, headers: Headers, body: Buffer | string): void {
    if (this.headSent || this.ended) return
    const text = typeof body === 'string' ? Buffer.from(body, 'utf8') : body
    const bodiless = this.request.method === 'HEAD' || status === 204 || status === 304
    this.sendHead(status, headers, text.length, bodiless || text.length === 0)
    if (this.ended) return
    this.sendBody(text)
    this.sendEnd(null)
  }

  sendBody(chunk: Buffer): boolean {
    if (this.ended || !this.headSent || chunk.length === 0) return true
    const writer = this.#writer
    switch (this.#mode) {
      case FIXED:
        if (chunk.length > this.#remaining) {
          this.connection.kill('protocol-error')
          return true
        }
        this.#remaining -= chunk.length
        writer.bytes(chunk)
        break
      case CHUNKED:
        writer.text(`${chunk.length.toString(16)}\r\n`)
        writer.bytes(chunk)
        writer.text('\r\n')
        break
      case UNTIL_CLOSE:
      case TUNNEL:
        writer.bytes(chunk)
        break
      default:
        return true
    }
    this.bytesSent += chunk.length
    this.connection.schedule()
    return this.#hasRoom()
  }

  sendEnd(trailers: Headers | null): void {
    if (this.ended || !this.headSent) return
    if (this.#mode === TUNNEL) {
      this.connection.endTunnelOutput()
      return
    }
    if (this.#mode === FIXED && this.#remaining > 0) {
      this.connection.kill('protocol-error')
      return
    }
    if (this.#mode === CHUNKED && !this.#writeLastChunk(trailers)) return
    this.#complete()
  }

  sendTunnelHead(status: number, headers: Headers): void {
    if (this.headSent || this.ended) return
    const upgrade = this.request.upgrade
    const framing =
      upgrade !== null && status === 101 ? `connection: Upgrade\r\nupgrade: ${upgrade}\r\n` : ''
    const head = writeHead(statusLine(status), headers, framing)
    if (head === null) {
      this.#answerInvariant()
      return
    }
    this.headSent = true
    this.#mode = TUNNEL
    this.#writer.text(head)
    this.connection.startTunnel()
  }

  closeAfter(): void {
    if (!this.ended) this.connection.closing = true
  }

  abort(): void {
    if (this.ended && this.connection.exchange !== this) return
    this.ended = true
    this.connection.abandon(this)
  }

  /** A refused response: the handler tried to write what only a bug writes. */
  #answerInvariant(): void {
    this.connection.closing = true
    this.#headers = new Headers()
    this.#writeHead(500, this.#headers, 0, true)
  }

  /** False: the last check refused it, and nothing was written. */
  #writeHead(status: number, headers: Headers, bodyLength: number, last: boolean): boolean {
    const framing = this.#frame(status, bodyLength, last)
    const close = this.connection.announceClose(this.#mode === UNTIL_CLOSE)
    const head = writeHead(
      statusLine(status),
      headers,
      close ? `${framing}connection: close\r\n` : framing,
    )
    if (head === null) return false
    this.headSent = true
    this.#writer.text(head)
    if (last || this.#mode === NO_BODY) this.ended = true
    this.connection.schedule()
    return true
  }

  /** Picks the framing and returns its field line. */
  #frame(status: number, bodyLength: number, last: boolean): string {
    this.#mode = NO_BODY
    if (status === 204) return ''
    if (this.request.method === 'HEAD' || status === 304) {
      return bodyLength > 0 ? contentLength(bodyLength) : ''
    }
    if (last || bodyLength === 0) return contentLength(0)
    if (bodyLength !== UNKNOWN_LENGTH) {
      this.#mode = FIXED
      this.#remaining = bodyLength
      return contentLength(bodyLength)
    }
    if (this.request.protocol === 'HTTP/1.0') {
      this.#mode = UNTIL_CLOSE
      return ''
    }
    this.#mode = CHUNKED
    return 'transfer-encoding: chunked\r\n'
  }

  /**
   * Trailers go to clients that asked for them, or were told of them by a Trailer field. False: the
   * last check refused them, and the answer is cut.
   */
  #writeLastChunk(trailers: Headers | null): boolean {
    const wanted = this.#wantsTrailers || this.#headers!.has('trailer')
    if (trailers === null || !wanted) {
      this.#writer.text('0\r\n\r\n')
      return true
    }
    const fields = writeFields(trailers)
    if (fields === null) this.connection.kill('protocol-error')
    else this.#writer.text(`0\r\n${fields}\r\n`)
    return fields !== null
  }

  #complete(): void {
    this.ended = true
    this.connection.schedule()
  }

  #hasRoom(): boolean {
    if (!this.#writer.blocked) return true
    this.#waitsForDrain = true
    return false
  }

  #isDead(): boolean {
    return this.connection.exchange !== this
  }
}

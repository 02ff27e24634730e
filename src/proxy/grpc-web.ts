import type {
  AbortReason,
  DownstreamConnection,
  DownstreamExchange,
  ExchangeHandler,
} from '../http/exchange.ts'
import { Headers } from '../http/headers.ts'
import { Request, UNKNOWN_LENGTH } from '../http/request.ts'
import { Base64Decoder } from './base64-decoder.ts'
import { type GrpcWebType, grpcWebType, isGrpcContentType } from './grpc-content-type.ts'

/** First byte of the frame that holds the trailers. */
const TRAILERS_FLAG = 0x80
const FRAME_HEAD_BYTES = 5

/**
 * A gRPC-Web request on a Gateway server of protocol GRPC-WEB shown to the proxy as the gRPC request
 * it stands for; every other request as it is.
 */
export function bridgeGrpcWeb(downstream: DownstreamExchange): DownstreamExchange {
  const type = webTypeOf(downstream.request)
  return type === null ? downstream : new GrpcWebExchange(downstream, type)
}

/** The request that bridgeGrpcWeb shows for `request`. */
export function bridgedRequest(request: Request): Request {
  const type = webTypeOf(request)
  return type === null ? request : grpcRequest(request, type)
}

function webTypeOf(request: Request): GrpcWebType | null {
  if (request.method !== 'POST' || request.upgrade !== null) return null
  const contentType = request.headers.get('content-type')
  return contentType === null ? null : grpcWebType(contentType)
}

/**
 * Translates one exchange between gRPC-Web (PROTOCOL-WEB of the gRPC project) and gRPC: content
 * types, base64 in text mode, and the trailers, which become the last frame of the body. A response
 * that is no gRPC passes as it comes. Holds three characters of a request at most.
 */
class GrpcWebExchange implements DownstreamExchange, ExchangeHandler {
  readonly request: Request
  readonly connection: DownstreamConnection
  handler: ExchangeHandler | null
  readonly #wire: DownstreamExchange
  readonly #decoder: Base64Decoder | null
  readonly #answersText: boolean
  /** The response is gRPC, so that its body and trailers are translated. */
  #translates: boolean
  /** The request was refused: nothing more is said to the handler. */
  #refused: boolean

  constructor(wire: DownstreamExchange, type: GrpcWebType) {
    this.request = grpcRequest(wire.request, type)
    this.connection = wire.connection
    this.handler = null
    this.#wire = wire
    this.#decoder = type.text ? new Base64Decoder() : null
    this.#answersText = wantsText(wire.request.headers.get('accept'), type)
    this.#translates = false
    this.#refused = false
    wire.handler = this
  }

  get bytesReceived(): number {
    return this.#wire.bytesReceived
  }

  get bytesSent(): number {
    return this.#wire.bytesSent
  }

  get headSent(): boolean {
    return this.#wire.headSent
  }

  get ownStatus(): number {
    return this.#refused ? 400 : this.#wire.ownStatus
  }

  get trailersMayFollow(): boolean {
    return this.handler !== null && this.handler.trailersMayFollow === true
  }

  // What the proxy does.

  pauseRequestBody(): void {
    this.#wire.pauseRequestBody()
  }

  resumeRequestBody(): void {
    this.#wire.resumeRequestBody()
  }

  sendInformational(status: number, headers: Headers): void {
    this.#wire.sendInformational(status, headers)
  }

  sendHead(status: number, headers: Headers, bodyLength: number, last: boolean): boolean {
    this.#translates = this.#translateHead(headers)
    const length = this.#translates && !last ? UNKNOWN_LENGTH : bodyLength
    return this.#wire.sendHead(status, headers, length, last)
  }

  sendWhole(status: number, headers: Headers, body: Buffer | string): void {
    if (!this.#translateHead(headers)) {
      this.#wire.sendWhole(status, headers, body)
      return
    }
    const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body
    this.#wire.sendWhole(status, headers, this.#answersText ? base64(bytes) : bytes)
  }

  sendBody(chunk: Buffer): boolean {
    return this.#wire.sendBody(this.#translates && this.#answersText ? base64(chunk) : chunk)
  }

  sendEnd(trailers: Headers | null): void {
    if (!this.#translates) {
      this.#wire.sendEnd(trailers)
      return
    }
    if (trailers !== null) this.sendBody(trailersFrame(trailers))
    this.#wire.sendEnd(null)
  }

  sendTunnelHead(status: number, headers: Headers): void {
    this.#wire.sendTunnelHead(status, headers)
  }

  closeAfter(): void {
    this.#wire.closeAfter()
  }

  abort(): void {
    this.#wire.abort()
  }

  #translateHead(headers: Headers): boolean {
    const contentType = headers.get('content-type')
    if (contentType === null || !isGrpcContentType(contentType)) return false
    const plus = contentType.indexOf('+')
    const format = plus < 0 ? '+proto' : contentType.slice(plus)
    headers.set('content-type', `application/grpc-web${this.#answersText ? '-text' : ''}${format}`)
    return true
  }

  // What the wire tells.

  onRequestBody(chunk: Buffer): void {
    if (this.#refused) return
    if (this.#decoder === null) {
      this.handler!.onRequestBody(chunk)
      return
    }
    const bytes = this.#decoder.decode(chunk)
    if (bytes === null) this.#refuse()
    else if (bytes.length > 0) this.handler!.onRequestBody(bytes)
  }

  onRequestEnd(trailers: Headers | null): void {
    if (this.#refused) return
    if (this.#decoder !== null && this.#decoder.isOpen) this.#refuse()
    else this.handler!.onRequestEnd(trailers)
  }

  onDownstreamDrain(): void {
    if (!this.#refused) this.handler!.onDownstreamDrain()
  }

  onDownstreamAbort(reason: AbortReason): void {
    if (!this.#refused) this.handler!.onDownstreamAbort(reason)
  }

  onStatusReplaced(status: number): void {
    if (!this.#refused) this.handler!.onStatusReplaced?.(status)
  }

  onResponseSent(): void {
    if (!this.#refused) this.handler!.onResponseSent()
  }

  /** The body of a text request is no base64: for the proxy a broken message, for the client 400. */
  #refuse(): void {
    this.#refused = true
    const wire = this.#wire
    this.handler!.onDownstreamAbort('protocol-error')
    if (wire.headSent) {
      wire.abort()
      return
    }
    wire.closeAfter()
    const headers = new Headers(['content-type', 'text/plain'])
    wire.sendWhole(400, headers, 'the body of this grpc-web-text request is not base64\n')
  }
}

/** The gRPC request: its own content type, no length that base64 made wrong, trailers welcome. */
function grpcRequest(request: Request, type: GrpcWebType): Request {
  const { headers } = request
  headers.set('content-type', `application/grpc${type.format}`)
  headers.set('te', 'trailers')
  const hasLength = !type.text || request.bodyLength === 0
  return new Request({
    protocol: request.protocol,
    method: request.method,
    scheme: request.scheme,
    authority: request.authority,
    path: request.path,
    query: request.query,
    headers,
    bodyLength: hasLength ? request.bodyLength : UNKNOWN_LENGTH,
    upgrade: null,
    expectsContinue: request.expectsContinue,
    absoluteForm: request.absoluteForm,
    redirects: request.redirects,
  })
}

/** Accept decides when it names gRPC-Web; else the answer comes as the request came. */
function wantsText(accept: string | null, type: GrpcWebType): boolean {
  const accepted = accept === null ? null : grpcWebType(accept)
  return accepted === null ? type.text : accepted.text
}

/** Padded, so that each piece can be read at once; clients take padding between pieces. */
function base64(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('base64'), 'latin1')
}

/** Flag, length, and the trailers as an HTTP/1 header block. Their size is bounded by the wire. */
function trailersFrame(trailers: Headers): Buffer {
  const fields = trailers.fields
  let block = ''
  for (let i = 0; i < fields.length; i += 2) block += `${fields[i]!}:${fields[i + 1]!}\r\n`
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + block.length)
  frame[0] = TRAILERS_FLAG
  frame.writeUInt32BE(block.length, 1)
  frame.write(block, FRAME_HEAD_BYTES, 'latin1')
  return frame
}

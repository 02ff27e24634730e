import type { Headers } from './headers.ts'
import type { Request } from './request.ts'

/**
 * The seam between the wire and everything above it. HTTP/1.1 and HTTP/2 connections implement
 * DownstreamExchange; the proxy implements ExchangeHandler. Nothing above src/http touches a
 * socket, a node:http2 stream or a parser.
 *
 * Ownership of bytes: a chunk handed to a callback is valid only until the callback returns.
 * send* methods copy what they cannot write at once, so passing a chunk straight on is safe.
 */

/** What is known of the client's connection; shared by all its exchanges. */
export interface DownstreamConnection {
  /** Peer address of the socket (or of the PROXY header), without port. IPv4-mapped IPv6 as IPv4. */
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly tls: TlsInfo | null
  /** Free for the owner of the connection's server (the listener keeps its SNI choice here). */
  context: unknown
}

export interface TlsInfo {
  /** SNI as sent, lower-case, or null. */
  readonly serverName: string | null
  readonly protocol: string
  readonly cipher: string
  /** The client's certificate when it was asked for, given and verified; null otherwise. */
  readonly clientCertificate: ClientCertificate | null
}

/** A client's certificate that was verified in the handshake, and what it was shown in return. */
export interface ClientCertificate {
  /** SHA-256 of the certificate's DER, lower-case hex. */
  readonly hash: string
  /** Distinguished name as RFC 2253 writes it (`CN=web,O=Shop`), or ''. */
  readonly subject: string
  /** Subject alternative names of type URI and DNS, in order. */
  readonly uriSans: readonly string[]
  readonly dnsSans: readonly string[]
  /** The leaf as PEM, and the leaf with all that the client sent behind it; '' when not kept. */
  readonly certPem: string
  readonly chainPem: string
  /** First URI of the certificate that the gateway showed this client, or null. */
  readonly ownUri: string | null
}

/** Why an exchange ended before its answer was complete. */
export type AbortReason =
  | 'client-closed' // connection or stream closed by the client
  | 'protocol-error' // malformed body, trailers or frames after a valid head
  | 'timeout' // a wire timer (request, idle, write stall) fired
  | 'too-long' // the exchange lasted longer than it may
  | 'shutdown' // drain deadline
  | 'plugin-failed' // a plugin broke off the answer that passed through it

/** Callbacks of one exchange. Called never after onDownstreamAbort, and never synchronously from send*. */
export interface ExchangeHandler {
  /**
   * What HTTP/2 asks when a head with a bodyLength is sent: trailers may follow such a body too, for
   * it comes over HTTP/2. Absent: they may not, as in HTTP/1.1.
   */
  readonly trailersMayFollow?: boolean
  onRequestBody(chunk: Buffer): void
  /** The request is complete. `trailers` is null when there are none. */
  onRequestEnd(trailers: Headers | null): void
  /** send* returned false before; there is room again. */
  onDownstreamDrain(): void
  /** The exchange is dead: no send* has any effect from here on. */
  onDownstreamAbort(reason: AbortReason): void
  /** Plugins made this status of the one given to sendHead or sendWhole. Comes before the answer's end. */
  onStatusReplaced?(status: number): void
  /** The whole answer was handed to the socket. Last callback of a successful exchange. */
  onResponseSent(): void
}

/** One request and its answer, as the wire offers it. */
export interface DownstreamExchange {
  readonly request: Request
  readonly connection: DownstreamConnection
  /** Set before the first callback can fire (synchronously in the server's request callback). */
  handler: ExchangeHandler | null

  /** Bytes on the wire so far: request body received, response body sent. */
  readonly bytesReceived: number
  readonly bytesSent: number
  /** True once a final response head was sent. */
  readonly headSent: boolean
  /** Status of an answer that the wire gave by itself before it ended the exchange, or 0. */
  readonly ownStatus: number

  pauseRequestBody(): void
  resumeRequestBody(): void

  /** 1xx other than 101. Ignored for HTTP/1.0 clients. */
  sendInformational(status: number, headers: Headers): void
  /**
   * Final response head. `headers` holds no framing field; `bodyLength` is the number of body bytes
   * that will follow, 0 for none, UNKNOWN_LENGTH otherwise (the wire picks chunked, close or DATA).
   * With `last`, nothing follows (HEAD, 204, 304, or an empty body): the exchange is complete.
   * For HEAD a bodyLength > 0 becomes content-length without a body.
   */
  sendHead(status: number, headers: Headers, bodyLength: number, last: boolean): boolean
  /** Head and whole body in one write: local answers and small responses. */
  sendWhole(status: number, headers: Headers, body: Buffer | string): void
  /** False when the high-water mark (32 KiB) is reached: wait for onDownstreamDrain. */
  sendBody(chunk: Buffer): boolean
  sendEnd(trailers: Headers | null): void
  /**
   * Answers an Upgrade (101) or CONNECT (2xx) and turns the exchange into a raw tunnel: from here on
   * onRequestBody / sendBody carry unframed bytes, onRequestEnd / sendEnd are half-closes.
   */
  sendTunnelHead(status: number, headers: Headers): void
  /** After the current answer the connection takes no further request (Connection: close, GOAWAY). */
  closeAfter(): void
  /** Kills the exchange: RST_STREAM, or destroys the HTTP/1 connection. No callback follows. */
  abort(): void
}

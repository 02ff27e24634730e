import type { Headers } from '../http/headers.ts'
import type { UpstreamFailure } from './failure.ts'

/** What goes out to an endpoint: a Request, or one that the gateway makes. Never changed by a transport. */
export interface UpstreamRequest {
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly authority: string
  /** Path with query, as it goes on the wire. */
  readonly target: string
  /** No Host, no framing fields. */
  readonly headers: Headers
  /** As Request.bodyLength. */
  readonly bodyLength: number
  /** Protocol to upgrade to, or null. `CONNECT` requests set method CONNECT and tunnel after 2xx. */
  readonly upgrade: string | null
  /** The client sent `expect: 100-continue` and waits. */
  readonly expectsContinue: boolean
  /**
   * The client speaks HTTP/2: decides where upstreams are to be spoken to as the client speaks, and
   * trailers may follow a body of known length.
   */
  readonly clientHttp2: boolean
}

/**
 * Callbacks of one attempt. Chunks are valid until the callback returns. After onUpstreamEnd or
 * onUpstreamFailure nothing follows. Only onUpstreamReady may be called from within the call that
 * started the attempt; every other callback comes later. For a raw TCP tunnel there is no head:
 * ready, then body both ways; onUpstreamEnd is the peer's half-close.
 */
export interface UpstreamHandler {
  /** A connection is there and the head was written; body may be sent now. */
  onUpstreamReady(stream: UpstreamStream): void
  onUpstreamInformational(status: number, headers: Headers): void
  /** `bodyLength` as Request.bodyLength; headers without framing fields. 101 and CONNECT 2xx: tunnel. */
  onUpstreamHead(status: number, headers: Headers, bodyLength: number): void
  onUpstreamBody(chunk: Buffer): void
  onUpstreamEnd(trailers: Headers | null): void
  /** sendBody returned false before; there is room again. */
  onUpstreamDrain(): void
  onUpstreamFailure(failure: UpstreamFailure): void
}

/** One started attempt, possibly still waiting for a connection. */
export interface UpstreamAttempt {
  /** Gives the attempt up. No callback follows. Harmless when it is already over. */
  abort(): void
}

/** The sending half of one attempt. */
export interface UpstreamStream extends UpstreamAttempt {
  /** Remote `address:port` for the log. */
  readonly remote: string
  /** Local `address:port` for the log. */
  readonly local: string
  /** True when the connection served a request before this one. */
  readonly reused: boolean
  /** Trailers may follow an answer of known length too. Absent: they may not, as in HTTP/1.1. */
  readonly trailersMayFollow?: boolean
  /** Copies what it cannot write at once. False: wait for onUpstreamDrain. */
  sendBody(chunk: Buffer): boolean
  sendEnd(trailers: Headers | null): void
  pauseResponse(): void
  resumeResponse(): void
}

/** Where an endpoint's load and outcomes are counted (the cluster's endpoint). Called by transports. */
export interface AttemptObserver {
  onAttemptStart(): void
  /** A final response head arrived, or a tunnel was established (status 200). */
  onAttemptStatus(status: number): void
  /** Instead of onAttemptStatus: the head of a gRPC answer arrived, whose outcome is not known yet. */
  onAttemptGrpcHead?(): void
  /** grpc-status of the answer that onAttemptGrpcHead told of. */
  onAttemptGrpcStatus?(code: number): void
  /** The attempt failed; also called for resets after the head. */
  onAttemptFailure(failure: UpstreamFailure): void
  /** Exactly once for each onAttemptStart: the attempt is over, however it ended. */
  onAttemptEnd(): void
}

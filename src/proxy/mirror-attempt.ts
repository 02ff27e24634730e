import type { ClusterAttempt } from '../clusters/attempt.ts'
import type { Cluster } from '../clusters/cluster.ts'
import type { PickContext } from '../clusters/pick.ts'
import type { Headers } from '../http/headers.ts'
import type { UpstreamHandler, UpstreamRequest, UpstreamStream } from '../upstream/transport.ts'
import { hashCookie, hashQuery } from './hash-key.ts'
import { MirrorBacklog } from './mirror-backlog.ts'
import type { Mirrors, ShadowOutcome } from './mirrors.ts'

/** Time for an answer where the route has no timeout: what Envoy gives a route by itself. */
export const DEFAULT_SHADOW_TIMEOUT_MS = 15_000
/** Bytes of an answer that are read and thrown away before the rest is refused: 4 MiB. */
export const MAX_ANSWER_BYTES = 4_194_304

/** What the shadow's endpoint is picked by. */
export interface ShadowOrigin {
  readonly clientAddress: string
  /** Query of the request with its leading `?`, or ''. */
  readonly query: string
  /** VirtualService.http.timeout; 0: none. */
  readonly timeoutMs: number
}

/**
 * One shadow: a copy of a request on its way to one mirror. It is an exchange of nobody's: it has
 * its own endpoint, its own backlog and clock, is never retried, and what it gets back is dropped.
 * Nothing it does reaches the exchange it is a copy of.
 */
export class MirrorAttempt implements UpstreamHandler, PickContext {
  rosterPlace = -1
  readonly clientAddress: string
  readonly tried: null
  readonly #mirrors: Mirrors
  readonly #cluster: Cluster
  readonly #request: UpstreamRequest
  readonly #query: string
  readonly #timeoutMs: number
  readonly #backlog: MirrorBacklog
  #attempt: ClusterAttempt | null
  #stream: UpstreamStream | null
  /** The stream asked to wait. */
  #blocked: boolean
  /** The copied request is complete. */
  #ended: boolean
  #endSent: boolean
  #trailers: Headers | null
  #answered: boolean
  #answerBytes: number
  #timer: NodeJS.Timeout | null
  #over: boolean

  constructor(mirrors: Mirrors, cluster: Cluster, request: UpstreamRequest, origin: ShadowOrigin) {
    this.clientAddress = origin.clientAddress
    this.tried = null
    this.#mirrors = mirrors
    this.#cluster = cluster
    this.#request = request
    this.#query = origin.query
    this.#timeoutMs = origin.timeoutMs > 0 ? origin.timeoutMs : DEFAULT_SHADOW_TIMEOUT_MS
    this.#backlog = new MirrorBacklog(mirrors)
    this.#attempt = null
    this.#stream = null
    this.#blocked = false
    this.#ended = request.bodyLength === 0
    this.#endSent = this.#ended
    this.#trailers = null
    this.#answered = false
    this.#answerBytes = 0
    this.#timer = null
    this.#over = false
    mirrors.enter(this)
  }

  /** Goes on its way. Body that came before waits in the backlog. */
  start(): void {
    if (this.#over) return
    if (this.#ended) this.#startClock()
    const attempt = this.#cluster.startRequest(this.#request, this, this)
    if (this.#over) attempt.abort()
    else this.#attempt = attempt
  }

  // The copied request.

  /** The chunk is valid until this returns. */
  body(chunk: Buffer): void {
    if (this.#over) return
    const stream = this.#stream
    if (stream !== null && !this.#blocked && this.#backlog.empty) {
      this.#blocked = !stream.sendBody(chunk)
    } else if (!this.#backlog.push(chunk)) this.#end('too-slow')
  }

  end(trailers: Headers | null): void {
    if (this.#over || this.#ended) return
    this.#ended = true
    this.#trailers = trailers
    this.#startClock()
    this.#send()
  }

  abort(): void {
    this.#end('aborted')
  }

  // The mirror.

  onUpstreamReady(stream: UpstreamStream): void {
    if (this.#over) return
    this.#stream = stream
    this.#send()
  }

  onUpstreamInformational(): void {}

  onUpstreamHead(): void {
    this.#answered = true
  }

  onUpstreamBody(chunk: Buffer): void {
    this.#answerBytes += chunk.length
    if (this.#answerBytes > MAX_ANSWER_BYTES) this.#end('cut')
  }

  onUpstreamEnd(): void {
    this.#attempt = null
    this.#end('completed')
  }

  onUpstreamDrain(): void {
    this.#blocked = false
    this.#send()
  }

  onUpstreamFailure(): void {
    this.#attempt = null
    this.#end('failed')
  }

  // What load balancers may ask.

  hashHeader(name: string): string | null {
    return this.#request.headers.combined(name)
  }

  hashQuery(name: string): string | null {
    return hashQuery(this.#query, name)
  }

  hashCookie(name: string): string | null {
    return hashCookie(this.#request.headers, name)
  }

  /** The client hears nothing of its shadows. */
  setCookie(): void {}

  timeOut(): void {
    this.#timer = null
    if (this.#over) return
    if (!this.#answered && this.#attempt !== null) this.#cluster.reportTimeout(this.#attempt)
    this.#end('timed-out')
  }

  #startClock(): void {
    this.#timer = setTimeout(onTimeout, this.#timeoutMs, this)
  }

  /** Sends what was held back as far as the stream has room, then the end. */
  #send(): void {
    const stream = this.#stream
    if (this.#over || stream === null) return
    while (!this.#blocked) {
      const held = this.#backlog.take()
      if (held === null) break
      this.#blocked = !stream.sendBody(held)
    }
    if (this.#over || !this.#ended || this.#endSent || !this.#backlog.empty) return
    this.#endSent = true
    stream.sendEnd(this.#trailers)
  }

  #end(outcome: ShadowOutcome): void {
    if (this.#over) return
    this.#over = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#backlog.clear()
    const attempt = this.#attempt
    this.#attempt = null
    this.#stream = null
    if (attempt !== null) attempt.abort()
    this.#mirrors.leave(this, outcome)
  }
}

function onTimeout(shadow: MirrorAttempt): void {
  shadow.timeOut()
}

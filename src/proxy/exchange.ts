import type { ClusterAttempt } from '../clusters/attempt.ts'
import type { Cluster } from '../clusters/cluster.ts'
import type { PickContext } from '../clusters/pick.ts'
import type { ClusterPlan } from '../clusters/plan.ts'
import type { FilterExchange } from '../filters/filter.ts'
import type {
  AbortReason,
  DownstreamConnection,
  DownstreamExchange,
  ExchangeHandler,
} from '../http/exchange.ts'
import { Headers } from '../http/headers.ts'
import type { Request } from '../http/request.ts'
import type { Destination, Route } from '../routing/route.ts'
import type { MeshSettings } from '../snapshot/mesh-settings.ts'
import type { UpstreamFailure } from '../upstream/failure.ts'
import type { UpstreamAttempt, UpstreamHandler, UpstreamStream } from '../upstream/transport.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import { abortDetails, abortFlag, answerFailure } from './failure-reply.ts'
import { resumeFilters } from './filter-chain.ts'
import { startClocks } from './forward.ts'
import { hashCookie, hashQuery } from './hash-key.ts'
import { sendLocalReply } from './local-reply.ts'
import { retryAfterFailure, retryAfterStatus } from './retry.ts'
import { ownResponseHeaders, relayHead } from './response.ts'
import type { ProxyRuntime } from './runtime.ts'

/**
 * One request on its way: the state that the phases (http, filter-chain, forward, retry, response,
 * tunnel, local-reply) share, and the callback object of both wires. Data flows straight through
 * with backpressure from each side to the other; every decision is in the phase files.
 */
export class Exchange
  implements ExchangeHandler, UpstreamHandler, FilterExchange, PickContext, ExchangeRecord
{
  readonly runtime: ProxyRuntime
  readonly mesh: MeshSettings
  readonly downstream: DownstreamExchange
  readonly direction: 'ingress' | 'egress'
  readonly connection: DownstreamConnection
  readonly request: Request
  readonly originalPath: string
  readonly originalAuthority: string
  readonly startedAtMs: number
  readonly startedMonotonicMs: number
  /** Gateway server port (redirects), or the port the client asked the egress proxy for. */
  port: number
  clientAddress: string
  requestId: string
  destinationHost: string
  /** Egress: a resource declares the host, so the address guard does not judge it. */
  declared: boolean
  /** Declared by its own name, not by a wildcard: whatever address it resolves to may be dialled. */
  declaredByName: boolean

  route: Route | null
  destination: Destination | null
  cluster: ClusterPlan | null
  clusterLabel: string
  filterIndex: number
  filterWaits: boolean

  attempt: UpstreamAttempt | null
  stream: UpstreamStream | null
  attempts: number
  tried: string[] | null
  /** The latest attempt on a cluster, which knows its endpoint; null for PassthroughCluster. */
  clusterAttempt: ClusterAttempt | null
  /** A byte of the request body went to an upstream: no further attempt is possible. */
  bodyForwarded: boolean
  requestEnded: boolean
  requestTrailers: Headers | null
  /**
   * Body that came with the head, before an upstream took the head. Bounded by the wire: what it
   * had read when it was told to pause.
   */
  heldBody: Buffer | null
  /** The client ended its side of a tunnel that was not open yet. */
  endedEarly: boolean
  tunnel: boolean
  /** The head said it all: no sendEnd follows. */
  headWasLast: boolean
  upstreamEnded: boolean
  routeTimer: NodeJS.Timeout | null
  tryTimer: NodeJS.Timeout | null

  status: number
  flags: string
  details: string
  transportFailure: string
  responseHeaders: Headers | null
  /** Fields that filters and hash policies add to the response: name, value, ... */
  addedHeaders: string[] | null
  upstreamHost: string
  upstreamLocal: string
  upstreamSentMs: number
  upstreamServiceTimeMs: number
  grpcStatus: string
  endedMonotonicMs: number
  ended: boolean

  constructor(
    runtime: ProxyRuntime,
    downstream: DownstreamExchange,
    direction: 'ingress' | 'egress',
    port: number,
  ) {
    this.runtime = runtime
    this.mesh = runtime.snapshot.mesh
    this.downstream = downstream
    this.direction = direction
    this.connection = downstream.connection
    this.request = downstream.request
    this.originalPath = this.request.path + this.request.query
    this.originalAuthority = this.request.authority
    this.startedAtMs = Date.now()
    this.startedMonotonicMs = performance.now()
    this.port = port
    this.clientAddress = this.connection.remoteAddress
    this.requestId = ''
    this.destinationHost = ''
    this.declared = false
    this.declaredByName = false
    this.route = null
    this.destination = null
    this.cluster = null
    this.clusterLabel = ''
    this.filterIndex = 0
    this.filterWaits = false
    this.attempt = null
    this.stream = null
    this.attempts = 0
    this.tried = null
    this.clusterAttempt = null
    this.bodyForwarded = false
    this.requestEnded = this.request.bodyLength === 0
    this.requestTrailers = null
    this.heldBody = null
    this.endedEarly = false
    this.tunnel = false
    this.headWasLast = false
    this.upstreamEnded = false
    this.routeTimer = null
    this.tryTimer = null
    this.status = 0
    this.flags = '-'
    this.details = ''
    this.transportFailure = ''
    this.responseHeaders = null
    this.addedHeaders = null
    this.upstreamHost = ''
    this.upstreamLocal = ''
    this.upstreamSentMs = 0
    this.upstreamServiceTimeMs = -1
    this.grpcStatus = ''
    this.endedMonotonicMs = 0
    this.ended = false
    runtime.active++
    downstream.handler = this
  }

  get bytesReceived(): number {
    return this.downstream.bytesReceived
  }

  get bytesSent(): number {
    return this.downstream.bytesSent
  }

  get routeName(): string {
    return this.route === null ? '' : this.route.name
  }

  get clusterName(): string {
    return this.clusterLabel
  }

  get forwardedFor(): string | null {
    return this.request.headers.get('x-forwarded-for')
  }

  get runtimeCluster(): Cluster | null {
    return this.cluster === null ? null : this.cluster.runtime
  }

  /** Envoy prints URX behind the failure of the last try. */
  addFlag(flag: string): void {
    if (this.flags === '-') this.flags = flag
    else this.flags = this.flags === 'URX' ? `${flag},URX` : `${this.flags},${flag}`
  }

  // The client's side.

  onRequestBody(chunk: Buffer): void {
    const stream = this.stream
    if (stream === null) {
      this.#holdBody(chunk)
      return
    }
    this.bodyForwarded = true
    if (!stream.sendBody(chunk)) this.downstream.pauseRequestBody()
  }

  onRequestEnd(trailers: Headers | null): void {
    const first = !this.requestEnded
    this.requestEnded = true
    this.requestTrailers = trailers
    if (this.stream === null) {
      this.endedEarly = true
      return
    }
    if (!first && !this.tunnel) return
    this.stream.sendEnd(trailers)
    if (!this.tunnel && !this.upstreamEnded) startClocks(this)
  }

  #holdBody(chunk: Buffer): void {
    if (this.ended || this.downstream.headSent) return
    this.heldBody =
      this.heldBody === null ? Buffer.from(chunk) : Buffer.concat([this.heldBody, chunk])
  }

  /** False: the upstream has no room; onUpstreamDrain resumes the client. */
  #sendHeldBody(stream: UpstreamStream): boolean {
    const held = this.heldBody
    if (held === null) return true
    this.heldBody = null
    this.bodyForwarded = true
    return stream.sendBody(held)
  }

  onDownstreamDrain(): void {
    if (this.stream !== null) this.stream.resumeResponse()
  }

  onDownstreamAbort(reason: AbortReason): void {
    if (this.ended) return
    const tunnelClosed = this.tunnel && reason === 'client-closed'
    if (!tunnelClosed) {
      this.addFlag(abortFlag(reason))
      this.details = abortDetails(reason)
    }
    if (!this.downstream.headSent) this.status = this.downstream.ownStatus
    this.finish()
  }

  onStatusReplaced(status: number): void {
    this.status = status
    this.details = 'set_by_plugin'
  }

  onResponseSent(): void {
    this.finish()
  }

  // The upstream's side.

  onUpstreamReady(stream: UpstreamStream): void {
    this.stream = stream
    this.upstreamHost = stream.remote
    this.upstreamLocal = stream.local
    this.upstreamSentMs = performance.now()
    if (this.request.method === 'CONNECT' && this.request.upgrade === null) {
      this.#openTunnel(200)
      return
    }
    if (this.request.bodyLength === 0) return
    const hasRoom = this.#sendHeldBody(stream)
    if (this.requestEnded) stream.sendEnd(this.requestTrailers)
    else {
      this.clearTimers()
      if (hasRoom) this.downstream.resumeRequestBody()
    }
  }

  onUpstreamInformational(status: number, headers: Headers): void {
    this.downstream.sendInformational(status, headers)
  }

  onUpstreamHead(status: number, headers: Headers, bodyLength: number): void {
    this.upstreamServiceTimeMs = Math.round(performance.now() - this.upstreamSentMs)
    if (status === 101 && this.request.upgrade !== null) {
      ownResponseHeaders(this, headers)
      this.responseHeaders = headers
      this.#openTunnel(101)
      return
    }
    if (retryAfterStatus(this, status, headers)) return
    relayHead(this, status, headers, bodyLength)
  }

  onUpstreamBody(chunk: Buffer): void {
    if (this.ended) return
    if (!this.downstream.sendBody(chunk) && this.stream !== null) this.stream.pauseResponse()
  }

  onUpstreamEnd(trailers: Headers | null): void {
    if (this.ended) return
    this.upstreamEnded = true
    if (!this.tunnel) this.clearTimers()
    if (trailers !== null) this.grpcStatus = trailers.get('grpc-status') ?? this.grpcStatus
    if (!this.headWasLast) this.downstream.sendEnd(trailers)
  }

  onUpstreamDrain(): void {
    this.downstream.resumeRequestBody()
  }

  onUpstreamFailure(failure: UpstreamFailure): void {
    if (this.ended) return
    const stream = this.stream
    this.stream = null
    this.attempt = null
    if (this.downstream.headSent) {
      this.addFlag(failure.flag)
      this.details = 'upstream_reset_after_response_started'
      this.transportFailure = failure.transportReason
      this.downstream.abort()
      this.finish()
      return
    }
    if (!retryAfterFailure(this, failure, stream)) answerFailure(this, failure)
  }

  #openTunnel(status: number): void {
    this.tunnel = true
    this.status = status
    this.details = 'via_upstream'
    this.clearTimers()
    this.downstream.sendTunnelHead(status, this.responseHeaders ?? new Headers())
    const stream = this.stream
    const hasRoom = stream === null || this.#sendHeldBody(stream)
    if (stream !== null && this.endedEarly) stream.sendEnd(null)
    else if (hasRoom) this.downstream.resumeRequestBody()
  }

  // What filters may do.

  answer(status: number, headers: Headers, body: string, flag: string, details: string): void {
    if (this.ended || this.downstream.headSent) return
    this.filterWaits = false
    sendLocalReply(this, status, headers, body, flag, details)
  }

  resume(): void {
    if (!this.ended) resumeFilters(this)
  }

  addResponseHeader(name: string, value: string): void {
    if (this.addedHeaders === null) this.addedHeaders = [name, value]
    else this.addedHeaders.push(name, value)
  }

  // What load balancers may ask.

  hashHeader(name: string): string | null {
    return this.request.headers.combined(name)
  }

  hashQuery(name: string): string | null {
    return hashQuery(this.request.query, name)
  }

  hashCookie(name: string): string | null {
    return hashCookie(this.request.headers, name)
  }

  setCookie(value: string): void {
    this.addResponseHeader('set-cookie', value)
  }

  clearTimers(): void {
    if (this.routeTimer !== null) clearTimeout(this.routeTimer)
    if (this.tryTimer !== null) clearTimeout(this.tryTimer)
    this.routeTimer = null
    this.tryTimer = null
  }

  /** The end of the exchange, whatever it was: frees everything, reports once. */
  finish(): void {
    if (this.ended) return
    this.ended = true
    this.clearTimers()
    const open = this.tunnel || !this.upstreamEnded || !this.requestEnded
    if (this.attempt !== null && open) this.attempt.abort()
    this.endedMonotonicMs = performance.now()
    const observer = this.runtime.observer
    if (observer !== null) observer.onExchangeEnd(this)
    this.attempt = null
    this.stream = null
    this.heldBody = null
    this.runtime.active--
  }
}

import type { ClusterAttempt } from '../clusters/attempt.ts'
import type { Cluster } from '../clusters/cluster.ts'
import type { PickContext } from '../clusters/pick.ts'
import type { ClusterPlan } from '../clusters/plan.ts'
import type { Claims } from '../base/claims.ts'
import { turnClock } from '../base/clock.ts'
import type { FilterExchange, ResponseEditor, UpstreamObserver, Waiter } from '../filters/filter.ts'
import type { AbortReason, DownstreamExchange, ExchangeHandler } from '../http/exchange.ts'
import type { Headers } from '../http/headers.ts'
import type { Request } from '../http/request.ts'
import type { Destination, Route } from '../routing/route.ts'
import type { MeshSettings } from '../snapshot/mesh-settings.ts'
import type { UpstreamFailure } from '../upstream/failure.ts'
import type { UpstreamAttempt, UpstreamHandler, UpstreamStream } from '../upstream/transport.ts'
import { type Arrival, resumeArrival } from './arrival.ts'
import { endExchange } from './exchange-end.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import { abortDetails, abortFlag, answerFailure, cutAnswer } from './failure-reply.ts'
import { resumeFilters } from './filter-chain.ts'
import { startClocks } from './forward.ts'
import { addedCookie, hashCookie, hashQuery, routePreferences } from './hash-key.ts'
import { sendLocalReply } from './local-reply.ts'
import { RequestBody } from './request-body.ts'
import { retryAfterAnswer, retryAfterFailure, settleRetry } from './retry.ts'
import { ownResponseHeaders, relayHead, tellObservers } from './response.ts'
import { joinFlags } from './response-flags.ts'
import { openTunnel } from './open-tunnel.ts'
import type { ProxyRuntime } from './runtime.ts'
import type { Tries } from './tries.ts'

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
  readonly connection: DownstreamExchange['connection']
  readonly request: Request
  /** For the log: an authenticator takes credentials out. */
  originalPath: string
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

  /** A route is chosen when the authenticator is done; null: nobody authenticates. */
  arrival: Arrival | null
  route: Route | null
  destination: Destination | null
  cluster: ClusterPlan | null
  clusterLabel: string
  filterIndex: number
  filterWaits: boolean
  /** What the waiting filter holds, or null. */
  waiter: Waiter | null

  attempt: UpstreamAttempt | null
  stream: UpstreamStream | null
  attempts: number
  tried: string[] | null
  /** The latest attempt on a cluster, which knows its endpoint; null for PassthroughCluster. */
  clusterAttempt: ClusterAttempt | null
  /** null: the request has no body and asks for no tunnel. */
  readonly body: RequestBody | null
  tunnel: boolean
  /** The head said it all: no sendEnd follows. */
  headWasLast: boolean
  upstreamEnded: boolean
  /** null: no timeout, no retry, no gRPC call so far. */
  tries: Tries | null

  status: number
  flags: string
  details: string
  transportFailure: string
  responseHeaders: Headers | null
  /** Fields that filters and hash policies add to the response: name, value, ... */
  addedHeaders: string[] | null
  /** Filters that change the final response head, the last one first. */
  responseEditors: ResponseEditor[] | null
  /** Filters that hear what the upstream answers. */
  upstreamObservers: UpstreamObserver[] | null
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
    this.startedAtMs = turnClock.wallNow()
    this.startedMonotonicMs = turnClock.now()
    this.port = port
    this.clientAddress = this.connection.remoteAddress
    this.requestId = ''
    this.destinationHost = ''
    this.declared = false
    this.declaredByName = false
    this.arrival = null
    this.route = null
    this.destination = null
    this.cluster = null
    this.clusterLabel = ''
    this.filterIndex = 0
    this.filterWaits = false
    this.waiter = null
    this.attempt = null
    this.stream = null
    this.attempts = 0
    this.tried = null
    this.clusterAttempt = null
    this.body = RequestBody.of(this.request, runtime.replayBudget)
    this.tunnel = false
    this.headWasLast = false
    this.upstreamEnded = false
    this.tries = null
    this.status = 0
    this.flags = '-'
    this.details = ''
    this.transportFailure = ''
    this.responseHeaders = null
    this.addedHeaders = null
    this.responseEditors = null
    this.upstreamObservers = null
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

  /** The client sent the whole request. */
  get requestEnded(): boolean {
    return this.body === null || this.body.ended
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

  addFlag(flag: string): void {
    this.flags = this.flags === '-' ? flag : joinFlags(this.flags, flag)
  }

  // The client's side.

  get trailersMayFollow(): boolean {
    return this.stream !== null && this.stream.trailersMayFollow === true
  }

  onRequestBody(chunk: Buffer): void {
    const { stream, body } = this
    if (body === null) return
    if (stream === null) {
      if (!this.ended && !this.downstream.headSent) body.hold(chunk)
    } else if (!body.forward(chunk, stream)) this.downstream.pauseRequestBody()
  }

  onRequestEnd(trailers: Headers | null): void {
    const { stream, body } = this
    if (body === null) return
    const first = body.end(trailers)
    if (this.tunnel) {
      stream?.sendEnd(trailers)
      return
    }
    body.tunnelEnded = true
    if (first && stream !== null) {
      stream.sendEnd(trailers)
      if (!this.upstreamEnded) startClocks(this)
    }
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
    this.upstreamSentMs = turnClock.now()
    if (this.request.method === 'CONNECT' && this.request.upgrade === null) {
      openTunnel(this, 200)
      return
    }
    const body = this.body
    if (body === null || this.request.bodyLength === 0) return
    const hasRoom = body.start(stream)
    if (body.ended) stream.sendEnd(body.trailers)
    else {
      this.clearTimers()
      if (hasRoom) this.downstream.resumeRequestBody()
    }
  }

  onUpstreamInformational(status: number, headers: Headers): void {
    this.downstream.sendInformational(status, headers)
  }

  onUpstreamHead(status: number, headers: Headers, bodyLength: number): void {
    this.upstreamServiceTimeMs = Math.round(turnClock.now() - this.upstreamSentMs)
    if (status === 101 && this.request.upgrade !== null) {
      ownResponseHeaders(this, headers)
      this.responseHeaders = headers
      openTunnel(this, 101)
      return
    }
    const grpcStatus = headers.get('grpc-status')
    const questionable = status >= 400 || grpcStatus !== null
    const closed =
      this.upstreamObservers !== null && tellObservers(this.upstreamObservers, status, headers)
    if (questionable && !closed && retryAfterAnswer(this, status, headers, grpcStatus)) return
    if (this.tries !== null) settleRetry(this, this.tries)
    relayHead(this, status, headers, bodyLength, grpcStatus)
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
    if (this.downstream.headSent) cutAnswer(this, failure)
    else if (!retryAfterFailure(this, failure, stream)) answerFailure(this, failure)
  }

  // What filters may do.

  get claims(): Claims | null {
    return this.request.claims
  }

  answer(
    status: number,
    headers: Headers,
    body: string | Buffer,
    flag: string,
    details: string,
  ): void {
    if (this.ended || this.downstream.headSent) return
    this.filterWaits = false
    this.waiter = null
    sendLocalReply(this, status, headers, body, flag, details)
  }

  waitWith(waiter: Waiter): void {
    this.waiter = waiter
  }

  resume(): void {
    this.waiter = null
    if (this.ended) return
    if (this.arrival === null) resumeFilters(this)
    else resumeArrival(this, this.arrival)
  }

  editResponse(editor: ResponseEditor): void {
    if (this.responseEditors === null) this.responseEditors = [editor]
    else this.responseEditors.unshift(editor)
  }

  observeUpstream(observer: UpstreamObserver): void {
    if (this.upstreamObservers === null) this.upstreamObservers = [observer]
    else this.upstreamObservers.push(observer)
  }

  addResponseHeader(name: string, value: string): void {
    if (this.addedHeaders === null) this.addedHeaders = [name, value]
    else this.addedHeaders.push(name, value)
  }

  // What load balancers may ask.

  get preferences(): ReturnType<typeof routePreferences> {
    return routePreferences(this.route)
  }

  hashHeader(name: string): string | null {
    return this.request.headers.combined(name)
  }

  hashQuery(name: string): string | null {
    return hashQuery(this.request.query, name)
  }

  hashCookie(name: string): string | null {
    return hashCookie(this.request.headers, name) ?? addedCookie(this.addedHeaders, name)
  }

  setCookie(value: string): void {
    this.addResponseHeader('set-cookie', value)
  }

  clearTimers(): void {
    if (this.tries !== null) this.tries.stop()
  }

  /** The end of the exchange, whatever it was: frees everything, reports once. */
  finish(): void {
    if (this.ended) return
    this.ended = true
    endExchange(this)
  }
}

import type { ClusterAttempt } from '../../src/clusters/attempt.ts'
import { Cluster } from '../../src/clusters/cluster.ts'
import { PassthroughCluster } from '../../src/clusters/passthrough-cluster.ts'
import type { PickContext } from '../../src/clusters/pick.ts'
import type {
  AbortReason,
  DownstreamConnection,
  DownstreamExchange,
  ExchangeHandler,
} from '../../src/http/exchange.ts'
import { Headers } from '../../src/http/headers.ts'
import type { Request } from '../../src/http/request.ts'
import { UpstreamContexts } from '../../src/tls/upstream-context.ts'
import { AddressGuard } from '../../src/upstream/address-guard.ts'
import type { UpstreamFailure } from '../../src/upstream/failure.ts'
import { Resolver } from '../../src/upstream/resolver.ts'
import type {
  UpstreamHandler,
  UpstreamRequest,
  UpstreamStream,
} from '../../src/upstream/transport.ts'
import { clusterPlan } from './cluster-plans.ts'
import { plainConnection } from './exchange-records.ts'

/** Hands `text` on as the wire does: the chunk is worthless once the callback returned. */
function lend(text: string, use: (chunk: Buffer) => void): void {
  const chunk = Buffer.from(text, 'latin1')
  use(chunk)
  chunk.fill(0x23)
}

/** A client's side of one exchange without a socket: what was sent to it, and what it does. */
export class DownstreamDouble implements DownstreamExchange {
  readonly request: Request
  readonly connection: DownstreamConnection
  handler: ExchangeHandler | null = null
  bytesReceived = 0
  bytesSent = 0
  headSent = false
  ownStatus = 0

  status = 0
  headers = new Headers()
  bodyLength = 0
  body = ''
  trailers: Headers | null = null
  readonly informational: number[] = []
  /** What sendHead and sendBody answer. */
  hasRoom = true
  paused = false
  /** The answer is complete. */
  answered = false
  tunnel = false
  aborted = false
  closing = false

  constructor(request: Request, connection: DownstreamConnection = plainConnection) {
    this.request = request
    this.connection = connection
  }

  pauseRequestBody(): void {
    this.paused = true
  }

  resumeRequestBody(): void {
    this.paused = false
  }

  sendInformational(status: number): void {
    this.informational.push(status)
  }

  sendHead(status: number, headers: Headers, bodyLength: number, last: boolean): boolean {
    if (this.headSent) throw new Error('a second head')
    this.#takeHead(status, headers, bodyLength)
    if (last) this.answered = true
    return this.hasRoom
  }

  sendWhole(status: number, headers: Headers, body: Buffer | string): void {
    if (this.headSent) throw new Error('a second head')
    const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body
    this.#takeHead(status, headers, bytes.length)
    this.sendBody(bytes)
    this.sendEnd(null)
  }

  sendBody(chunk: Buffer): boolean {
    if (this.answered) throw new Error('body after the end')
    this.bytesSent += chunk.length
    this.body += chunk.toString('latin1')
    return this.hasRoom
  }

  sendEnd(trailers: Headers | null): void {
    if (this.answered) throw new Error('a second end')
    this.trailers = trailers
    this.answered = true
  }

  sendTunnelHead(status: number, headers: Headers): void {
    this.#takeHead(status, headers, 0)
    this.tunnel = true
  }

  closeAfter(): void {
    this.closing = true
  }

  abort(): void {
    this.aborted = true
  }

  #takeHead(status: number, headers: Headers, bodyLength: number): void {
    this.headSent = true
    this.status = status
    this.headers = headers.clone()
    this.bodyLength = bodyLength
  }

  // What the client and the wire do.

  clientSends(text: string): void {
    this.bytesReceived += text.length
    lend(text, (chunk) => this.handler!.onRequestBody(chunk))
  }

  clientEnds(trailers: Headers | null = null): void {
    this.handler!.onRequestEnd(trailers)
  }

  clientReads(): void {
    this.handler!.onDownstreamDrain()
  }

  clientAborts(reason: AbortReason = 'client-closed'): void {
    this.handler!.onDownstreamAbort(reason)
  }

  /** The wire handed the whole answer to the socket. */
  flushed(): void {
    this.handler!.onResponseSent()
  }
}

/** One attempt and its stream; a test plays the endpoint. */
export class AttemptDouble implements ClusterAttempt, UpstreamStream {
  readonly request: UpstreamRequest | null
  /** As they were when the attempt began. */
  readonly headers: Headers
  readonly handler: UpstreamHandler
  readonly remote: string
  readonly local = '10.1.2.3:50000'
  readonly reused: boolean
  readonly tried: readonly string[]
  hasRoom = true
  paused = false
  aborted = false
  body = ''
  ended = false
  trailers: Headers | null = null

  constructor(init: {
    request: UpstreamRequest | null
    handler: UpstreamHandler
    remote: string
    reused: boolean
    tried: readonly string[] | null
  }) {
    this.request = init.request
    this.headers = init.request === null ? new Headers() : init.request.headers.clone()
    this.handler = init.handler
    this.remote = init.remote
    this.reused = init.reused
    this.tried = [...(init.tried ?? [])]
  }

  sendBody(chunk: Buffer): boolean {
    if (this.ended) throw new Error('request body after its end')
    this.body += chunk.toString('latin1')
    return this.hasRoom
  }

  sendEnd(trailers: Headers | null): void {
    if (this.ended) throw new Error('a second end of the request')
    this.ended = true
    this.trailers = trailers
  }

  pauseResponse(): void {
    this.paused = true
  }

  resumeResponse(): void {
    this.paused = false
  }

  abort(): void {
    this.aborted = true
  }

  // What the endpoint does.

  ready(): this {
    this.handler.onUpstreamReady(this)
    return this
  }

  drains(): void {
    this.handler.onUpstreamDrain()
  }

  heads(status: number, fields: readonly string[] = [], bodyLength = 0): this {
    this.handler.onUpstreamHead(status, new Headers([...fields]), bodyLength)
    return this
  }

  sends(text: string): this {
    lend(text, (chunk) => this.handler.onUpstreamBody(chunk))
    return this
  }

  ends(trailers: Headers | null = null): this {
    this.handler.onUpstreamEnd(trailers)
    return this
  }

  fails(failure: UpstreamFailure): void {
    this.handler.onUpstreamFailure(failure)
  }
}

/** How scripted clusters answer a start: the connection is there at once, or a test says when. */
export interface Script {
  readyAtOnce: boolean
  reused: boolean
}

/** A cluster whose endpoints are played by the test: attempt n goes to 10.0.0.n:80. */
export class ScriptedCluster extends Cluster {
  readonly attempts: AttemptDouble[] = []
  readonly script: Script = { readyAtOnce: true, reused: false }
  readonly timedOut: string[] = []

  constructor(name: string) {
    super(clusterPlan({ name }), {
      resolver: new Resolver({ servers: [] }),
      contexts: new UpstreamContexts(),
      log: () => undefined,
    })
    this.plan.runtime = this
  }

  override startRequest(
    request: UpstreamRequest,
    handler: UpstreamHandler,
    context: PickContext,
  ): ClusterAttempt {
    return startScripted(this, request, handler, context.tried)
  }

  override startTunnel(handler: UpstreamHandler, context: PickContext): ClusterAttempt {
    return startScripted(this, null, handler, context.tried)
  }

  override reportTimeout(attempt: ClusterAttempt): void {
    this.timedOut.push(attempt.remote)
  }
}

/** PassthroughCluster in the same way; `asked` holds `host:port` of every start. */
export class ScriptedPassthrough extends PassthroughCluster {
  readonly attempts: AttemptDouble[] = []
  readonly script: Script = { readyAtOnce: true, reused: false }
  readonly asked: string[] = []

  constructor() {
    super({ resolver: new Resolver({ servers: [] }), guard: new AddressGuard({}) })
  }

  override startRequest(
    host: string,
    port: number,
    request: UpstreamRequest,
    handler: UpstreamHandler,
  ): ClusterAttempt {
    this.asked.push(`${host}:${port}`)
    return startScripted(this, request, handler, null)
  }

  override startTunnel(host: string, port: number, handler: UpstreamHandler): ClusterAttempt {
    this.asked.push(`${host}:${port}`)
    return startScripted(this, null, handler, null)
  }
}

function startScripted(
  owner: { readonly attempts: AttemptDouble[]; readonly script: Script },
  request: UpstreamRequest | null,
  handler: UpstreamHandler,
  tried: readonly string[] | null,
): ClusterAttempt {
  const { attempts, script } = owner
  const remote = `10.0.0.${attempts.length + 1}:80`
  const attempt = new AttemptDouble({ request, handler, remote, reused: script.reused, tried })
  attempts.push(attempt)
  if (script.readyAtOnce) attempt.ready()
  return attempt
}

import { pickWeighted } from '../base/weighted-pick.ts'
import type { PickContext } from '../clusters/pick.ts'
import type { TcpServerPlan } from '../snapshot/listener-plan.ts'
import type { UpstreamAttempt, UpstreamHandler, UpstreamStream } from '../upstream/transport.ts'
import type { ProxyRuntime } from './runtime.ts'

export interface TcpDownstreamHandler {
  onClientData(chunk: Buffer): void
  onClientEnd(): void
  onClientDrain(): void
  /** The connection is gone in both directions. */
  onClientClosed(): void
}

/** An accepted connection. `send` copies what it cannot write at once; false: wait for onClientDrain. */
export interface TcpDownstream {
  readonly remoteAddress: string
  start(handler: TcpDownstreamHandler): void
  send(chunk: Buffer): boolean
  end(): void
  pause(): void
  resume(): void
  /** Ends a connection that never reached an upstream. */
  close(): void
  /** Resets it: what came so far must not look complete. */
  abort(): void
}

/**
 * Splices a TCP connection to an endpoint of the picked destination: one connect attempt, no bytes
 * needed first (server-first protocols work), half-closes kept, the client closed when it fails.
 */
export function handleTcp(runtime: ProxyRuntime, client: TcpDownstream, plan: TcpServerPlan): void {
  const destinations = plan.destinations
  const destination =
    destinations.length === 1
      ? destinations[0]!
      : destinations[pickWeighted(plan.cumulativeWeights, runtime.random())]!
  const cluster = destination.cluster === null ? null : destination.cluster.runtime
  if (cluster === null) {
    client.close()
    return
  }
  const splice = new TcpSplice(runtime, client)
  client.pause()
  client.start(splice)
  splice.attempt = cluster.startTunnel(splice, splice)
}

class TcpSplice implements TcpDownstreamHandler, UpstreamHandler, PickContext {
  readonly clientAddress: string
  readonly tried: readonly string[] | null
  attempt: UpstreamAttempt | null
  readonly #runtime: ProxyRuntime
  readonly #client: TcpDownstream
  #stream: UpstreamStream | null
  /** The client's half-close came before there was an upstream to pass it to. */
  #clientEnded: boolean
  #ended: boolean

  constructor(runtime: ProxyRuntime, client: TcpDownstream) {
    this.clientAddress = client.remoteAddress
    this.tried = null
    this.attempt = null
    this.#runtime = runtime
    this.#client = client
    this.#stream = null
    this.#clientEnded = false
    this.#ended = false
    runtime.active++
  }

  onClientData(chunk: Buffer): void {
    if (this.#stream !== null && !this.#stream.sendBody(chunk)) this.#client.pause()
  }

  onClientEnd(): void {
    this.#clientEnded = true
    this.#stream?.sendEnd(null)
  }

  onClientDrain(): void {
    this.#stream?.resumeResponse()
  }

  onClientClosed(): void {
    this.attempt?.abort()
    this.#finish()
  }

  onUpstreamReady(stream: UpstreamStream): void {
    this.#stream = stream
    if (this.#clientEnded) stream.sendEnd(null)
    else this.#client.resume()
  }

  onUpstreamInformational(): void {}

  onUpstreamHead(): void {}

  onUpstreamBody(chunk: Buffer): void {
    if (!this.#client.send(chunk)) this.#stream?.pauseResponse()
  }

  onUpstreamEnd(): void {
    this.#client.end()
  }

  onUpstreamDrain(): void {
    this.#client.resume()
  }

  onUpstreamFailure(): void {
    if (this.#stream === null) this.#client.close()
    else this.#client.abort()
    this.#finish()
  }

  hashHeader(): string | null {
    return null
  }

  hashQuery(): string | null {
    return null
  }

  hashCookie(): string | null {
    return null
  }

  setCookie(): void {}

  #finish(): void {
    if (this.#ended) return
    this.#ended = true
    this.#stream = null
    this.attempt = null
    this.#runtime.active--
  }
}

import { pickWeighted } from '../base/weighted-pick.ts'
import type { PickContext } from '../clusters/pick.ts'
import type { DownstreamConnection } from '../http/exchange.ts'
import type { TcpDestination, TcpServerPlan } from '../snapshot/listener-plan.ts'
import type { UpstreamFailure } from '../upstream/failure.ts'
import { TUNNEL_IDLE } from '../upstream/failures.ts'
import type { UpstreamAttempt, UpstreamHandler, UpstreamStream } from '../upstream/transport.ts'
import type { ClusterAttempt } from '../clusters/attempt.ts'
import type { ProxyRuntime } from './runtime.ts'
import { type TcpByteCounters, TcpRecord } from './tcp-record.ts'

export interface TcpDownstreamHandler {
  onClientData(chunk: Buffer): void
  onClientEnd(): void
  onClientDrain(): void
  /** The connection is gone in both directions. */
  onClientClosed(): void
}

/** An accepted connection. `send` copies what it cannot write at once; false: wait for onClientDrain. */
export interface TcpDownstream {
  readonly connection: DownstreamConnection
  /** Begins to read; nothing is called back from within. */
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
  const splice = new TcpSplice(runtime, client, destination)
  const cluster = destination.cluster === null ? null : destination.cluster.runtime
  const { dynamicPort = 0 } = destination
  const { tls } = client.connection
  if (dynamicPort !== 0 && tls !== null && tls.serverName !== null) {
    client.start(splice)
    splice.attempt = runtime.passthrough.startTunnel(tls.serverName, dynamicPort, splice)
    return
  }
  if (cluster === null) {
    client.close()
    splice.end('NC')
    return
  }
  client.start(splice)
  splice.attempt = cluster.startTunnel(splice, splice)
}

class TcpSplice implements TcpDownstreamHandler, UpstreamHandler, PickContext {
  readonly clientAddress: string
  readonly tried: readonly string[] | null
  readonly connection: DownstreamConnection
  attempt: (UpstreamAttempt & Pick<ClusterAttempt, 'remote'>) | null
  readonly #runtime: ProxyRuntime
  readonly #client: TcpDownstream
  readonly #record: TcpRecord
  /** null: nobody counts, or there is no upstream yet. */
  #counters: TcpByteCounters | null
  /** The log may name the gateway's own addresses, which nobody else asks the kernel for. */
  readonly #isLogged: boolean
  #stream: UpstreamStream | null
  /** What the client said before there was an upstream. */
  #early: Buffer | null
  /** The client's half-close came before there was an upstream to pass it to. */
  #clientEnded: boolean
  #ended: boolean

  constructor(runtime: ProxyRuntime, client: TcpDownstream, destination: TcpDestination) {
    const { connection } = client
    this.clientAddress = connection.remoteAddress
    this.tried = null
    this.connection = connection
    this.attempt = null
    this.#runtime = runtime
    this.#client = client
    this.#record = new TcpRecord(
      connection,
      destination.clusterName,
      destination.cluster,
      performance.now(),
    )
    this.#counters = null
    this.#isLogged = runtime.snapshot.mesh.accessLog.enabled
    if (this.#isLogged) askOwnAddress(connection)
    this.#stream = null
    this.#early = null
    this.#clientEnded = false
    this.#ended = false
    runtime.active++
  }

  onClientData(chunk: Buffer): void {
    const stream = this.#stream
    if (stream === null) {
      this.#keepEarly(chunk)
      return
    }
    this.#countReceived(chunk.length)
    if (!stream.sendBody(chunk)) this.#client.pause()
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
    this.end(this.#stream === null ? 'DC' : '-')
  }

  onUpstreamReady(stream: UpstreamStream): void {
    const record = this.#record
    record.upstreamHost = stream.remote
    if (this.#isLogged) record.upstreamLocal = stream.local
    const observer = this.#runtime.tcpObserver
    if (observer !== null) this.#counters = observer.onTcpOpen(record)
    this.#stream = stream
    const early = this.#early
    let room = true
    if (early !== null) {
      this.#early = null
      this.#countReceived(early.length)
      room = stream.sendBody(early)
    }
    if (this.#clientEnded) stream.sendEnd(null)
    else if (!room) this.#client.pause()
    else if (early !== null && early.length >= MAX_EARLY_BYTES) this.#client.resume()
  }

  onUpstreamInformational(): void {}

  onUpstreamHead(): void {}

  onUpstreamBody(chunk: Buffer): void {
    this.#record.bytesSent += chunk.length
    const counters = this.#counters
    if (counters !== null) counters.sentBytes += chunk.length
    if (!this.#client.send(chunk)) this.#stream?.pauseResponse()
  }

  onUpstreamEnd(): void {
    this.#client.end()
  }

  onUpstreamDrain(): void {
    this.#client.resume()
  }

  onUpstreamFailure(failure: UpstreamFailure): void {
    this.#record.transportFailure = failure.transportReason
    if (this.#stream !== null) {
      this.#client.abort()
      this.end(failure === TUNNEL_IDLE ? '-' : failure.flag)
      return
    }
    this.#record.upstreamHost = this.attempt?.remote ?? ''
    this.#client.close()
    this.end(failure.flag === 'UF' ? CONNECT_FAILED : failure.flag)
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

  /** Counts and logs the connection, once. */
  end(flags: string): void {
    if (this.#ended) return
    this.#ended = true
    const opened = this.#stream !== null
    this.#stream = null
    this.#early = null
    this.attempt = null
    this.#runtime.active--
    const observer = this.#runtime.tcpObserver
    if (observer === null) return
    this.#record.flags = flags
    this.#record.endedMonotonicMs = performance.now()
    observer.onTcpEnd(this.#record, opened)
  }

  #keepEarly(chunk: Buffer): void {
    // The chunk is overwritten by the next read of any socket.
    const early = this.#early === null ? Buffer.from(chunk) : Buffer.concat([this.#early, chunk])
    this.#early = early
    if (early.length >= MAX_EARLY_BYTES) this.#client.pause()
  }

  #countReceived(bytes: number): void {
    this.#record.bytesReceived += bytes
    const counters = this.#counters
    if (counters !== null) counters.receivedBytes += bytes
  }
}

/**
 * So much of what a client says before it has an upstream is read, and at most one read more: what
 * clients begin with fits in, and one that leaves meanwhile is noticed.
 */
export const MAX_EARLY_BYTES = 16_384
/** A connection remembers what it was asked for while it was open. */
function askOwnAddress({ localAddress, localPort }: DownstreamConnection): void {
  void localAddress
  void localPort
}

/** The connection failed, and no further attempt is made. */
const CONNECT_FAILED = 'UF,URX'

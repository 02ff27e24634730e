import type { UpstreamFailure } from '../upstream/failure.ts'
import { failure, OVERFLOW } from '../upstream/failures.ts'
import type { ConnectionPool, PooledConnection } from '../upstream/pool.ts'
import type { Resolution } from '../upstream/resolver.ts'
import type { UpstreamHandler, UpstreamRequest, UpstreamStream } from '../upstream/transport.ts'
import { TunnelAttempt, type TunnelGate } from '../upstream/tunnel-attempt.ts'
import { Waiter } from '../upstream/waiter.ts'
import { AddressRace, type RaceRunner } from './address-race.ts'
import type { ClusterAttempt } from './attempt.ts'
import type { PassthroughCluster } from './passthrough-cluster.ts'

/** Name to addresses to a connection: what requests and tunnels to unknown hosts have in common. */
export abstract class PassthroughAttempt implements ClusterAttempt, RaceRunner {
  protected readonly cluster: PassthroughCluster
  protected readonly host: string
  protected readonly port: number
  protected readonly handler: UpstreamHandler
  protected race: AddressRace | null
  /** The race is decided, or nobody wants its winner any more. */
  protected decided: boolean

  constructor(cluster: PassthroughCluster, host: string, port: number, handler: UpstreamHandler) {
    this.cluster = cluster
    this.host = host
    this.port = port
    this.handler = handler
    this.race = null
    this.decided = false
  }

  abstract get remote(): string
  abstract abort(): void
  abstract tryAddress(address: string): void

  /** Addresses are known: judges them once and connects to exactly these. */
  onResolved(resolution: Resolution): void {
    if (this.decided) return
    if (!resolution.ok) {
      this.onRaceLost(failure('dns-failure', resolution.message))
      return
    }
    const { cluster, port } = this
    const allowed = resolution.addresses.filter(
      (address) => cluster.refusal(address, port) === null,
    )
    if (allowed.length === 0) {
      const address = resolution.addresses[0] ?? this.host
      const what = cluster.refusal(address, port) ?? 'unknown'
      this.onRaceLost(failure('address-refused', `address ${address} (${what}) is not allowed`))
      return
    }
    this.race = new AddressRace(allowed, this)
    this.race.start()
  }

  onRaceLost(reason: UpstreamFailure): void {
    if (this.decided) return
    this.decided = true
    this.handler.onUpstreamFailure(reason)
  }

  protected stopRace(): void {
    this.decided = true
    if (this.race !== null) this.race.stop()
  }
}

/** An HTTP request to an unknown host. */
export class PassthroughRequest extends PassthroughAttempt {
  readonly #request: UpstreamRequest
  readonly #tries: AddressTry[]
  #stream: UpstreamStream | null
  #aborted: boolean

  constructor(
    cluster: PassthroughCluster,
    authority: { readonly host: string; readonly port: number },
    request: UpstreamRequest,
    handler: UpstreamHandler,
  ) {
    super(cluster, authority.host, authority.port, handler)
    this.#request = request
    this.#tries = []
    this.#stream = null
    this.#aborted = false
  }

  override get remote(): string {
    return this.#tries.at(-1)?.key ?? ''
  }

  override abort(): void {
    this.#aborted = true
    if (this.#stream !== null) this.#stream.abort()
    if (!this.decided) this.#settle()
  }

  override tryAddress(address: string): void {
    const endpoint = this.cluster.endpointAt(address, this.port)
    if (endpoint === null) {
      process.nextTick(failTry, this, OVERFLOW)
      return
    }
    const pool = this.cluster.poolOf(endpoint)
    const attempt = new AddressTry(this, endpoint.key, pool)
    this.#tries.push(attempt)
    const connection = pool.take()
    if (connection !== null) process.nextTick(take, this, connection)
    else if (!pool.wait(attempt)) process.nextTick(failTry, this, OVERFLOW)
  }

  /** The first connection wins. False: it came too late. */
  win(connection: PooledConnection): boolean {
    if (this.decided) return false
    this.#settle()
    const { cluster } = this
    if (!cluster.budget.admitsRequest()) {
      cluster.counters.rqPendingOverflow++
      this.handler.onUpstreamFailure(OVERFLOW)
      return false
    }
    const stream = connection.start(this.#request, this.handler, connection.pool.owner)
    this.#stream = stream
    if (this.#aborted) stream.abort()
    return true
  }

  failed(reason: UpstreamFailure): void {
    if (!this.decided && this.race !== null) this.race.failed(reason)
  }

  #settle(): void {
    this.stopRace()
    for (const attempt of this.#tries) this.cluster.budget.leave(attempt)
  }
}

function failTry(request: PassthroughRequest, reason: UpstreamFailure): void {
  request.failed(reason)
}

/** The handler is never called from within the start: the proxy does not know the attempt yet. */
function take(request: PassthroughRequest, connection: PooledConnection): void {
  if (!request.win(connection)) connection.pool.giveBack(connection)
}

/** The wait for a connection to one address. */
class AddressTry extends Waiter {
  readonly key: string
  readonly #request: PassthroughRequest
  readonly #pool: ConnectionPool

  constructor(request: PassthroughRequest, key: string, pool: ConnectionPool) {
    super()
    this.key = key
    this.#request = request
    this.#pool = pool
  }

  override onConnection(connection: PooledConnection): boolean {
    return this.#request.win(connection)
  }

  override onConnectFailure(reason: UpstreamFailure): void {
    this.#request.failed(reason)
  }

  override accepts(pool: ConnectionPool): boolean {
    return pool === this.#pool
  }

  override choosePool(): ConnectionPool {
    return this.#pool
  }
}

/** A raw tunnel (CONNECT, TLS passthrough) to an unknown host. */
export class PassthroughTunnel extends PassthroughAttempt implements TunnelGate {
  readonly #tunnels: Set<TunnelAttempt>
  #remote: string

  constructor(cluster: PassthroughCluster, host: string, port: number, handler: UpstreamHandler) {
    super(cluster, host, port, handler)
    this.#tunnels = new Set()
    this.#remote = ''
  }

  override get remote(): string {
    return this.#remote
  }

  override abort(): void {
    this.stopRace()
    for (const tunnel of this.#tunnels) tunnel.abort()
    this.#tunnels.clear()
  }

  override tryAddress(address: string): void {
    const endpoint = this.cluster.endpointAt(address, this.port)
    if (endpoint === null || !this.cluster.budget.makeRoom()) {
      this.cluster.counters.cxOverflow++
      process.nextTick(failTunnel, this, OVERFLOW)
      return
    }
    this.#remote = endpoint.key
    const target = this.cluster.target(endpoint)
    const { handler } = this
    const { budget } = this.cluster
    this.#tunnels.add(new TunnelAttempt({ target, handler, owner: endpoint, budget, gate: this }))
  }

  onTunnelConnected(winner: TunnelAttempt): void {
    this.stopRace()
    this.#remote = winner.remote
    for (const tunnel of this.#tunnels) {
      if (tunnel === winner) continue
      this.#tunnels.delete(tunnel)
      tunnel.abort()
    }
  }

  onTunnelFailed(tunnel: TunnelAttempt, reason: UpstreamFailure): void {
    this.#tunnels.delete(tunnel)
    this.failed(reason)
  }

  failed(reason: UpstreamFailure): void {
    if (!this.decided && this.race !== null) this.race.failed(reason)
  }
}

function failTunnel(tunnel: PassthroughTunnel, reason: UpstreamFailure): void {
  tunnel.failed(reason)
}

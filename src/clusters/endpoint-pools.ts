import { splitHostPort } from '../base/host-port.ts'
import type { UpstreamContext } from '../tls/upstream-context.ts'
import type { ConnectionBudget } from '../upstream/connection-budget.ts'
import { type AddressSource, DialTarget, MESH_RAW } from '../upstream/dial.ts'
import { ExclusivePool } from '../upstream/exclusive-pool.ts'
import { MultiplexedPool } from '../upstream/multiplexed-pool.ts'
import type { ConnectionPool } from '../upstream/pool.ts'
import { type ProxiedClient, proxyHeader } from '../upstream/proxy-header.ts'
import type { UpstreamRequest } from '../upstream/transport.ts'
import { tunnelRequest } from '../upstream/wrapped-tunnel.ts'
import { type Endpoint, endpointKey } from './endpoint.ts'
import { evictPool } from './evict-pool.ts'
import type { PickContext } from './pick.ts'
import type { HealthCheckPlan } from './health/plan.ts'
import type { ClusterPlan } from './plan.ts'

/** Server names one endpoint keeps connections for, where the name follows the request's Host. */
export const MAX_HOSTS_PER_ENDPOINT = 1_000

/** Which pool of an endpoint a request travels in: by protocol, and by TLS server name. */
export class EndpointPools {
  readonly #budget: ConnectionBudget
  readonly #sourceOf: (address: string) => AddressSource | null
  /** Of raw bytes, where all connections to an endpoint begin alike. */
  readonly #tunnelTargets: WeakMap<Endpoint, DialTarget>
  plan: ClusterPlan
  tls: UpstreamContext | null
  /** Connections end with what they carry. */
  retired: boolean
  /** Opens a tunnel through the endpoints (plan.tunnel); null: they are no proxies. */
  tunnelRequest: UpstreamRequest | null

  constructor(init: {
    plan: ClusterPlan
    tls: UpstreamContext | null
    budget: ConnectionBudget
    sourceOf: (address: string) => AddressSource | null
  }) {
    this.plan = init.plan
    this.tls = init.tls
    this.#budget = init.budget
    this.#sourceOf = init.sourceOf
    this.retired = false
    this.#tunnelTargets = new WeakMap()
    this.tunnelRequest = requestOf(init.plan)
  }

  /** A new configuration's. */
  follow(plan: ClusterPlan): void {
    this.plan = plan
    this.retired = false
    this.tunnelRequest = requestOf(plan)
  }

  poolOf(endpoint: Endpoint, request: UpstreamRequest, context: PickContext): ConnectionPool {
    const host = this.#hostOf(request)
    const multiplexed = this.#isMultiplexed(request)
    const isUsual = multiplexed === (this.plan.protocol === 'http2')
    const isShared = this.plan.proxyProtocol === null
    if (host === null && isUsual && isShared) {
      endpoint.pool ??= this.#create(endpoint, null, multiplexed, null)
      return endpoint.pool
    }
    endpoint.poolsByHost ??= new Map()
    const pools = endpoint.poolsByHost
    // No host or address has a space in it.
    const name = host ?? ''
    const sort = isUsual ? name : `${name} other protocol`
    const client = context.connection ?? null
    const key = isShared ? sort : `${sort} for ${client?.remoteAddress ?? ''}`
    let pool = pools.get(key)
    if (pool === undefined) {
      if (pools.size >= MAX_HOSTS_PER_ENDPOINT) evictPool(pools)
      pool = this.#create(endpoint, host, multiplexed, client)
      pools.set(key, pool)
    }
    return pool
  }

  /** Of connections that are for no client (probes). */
  get ownPreface(): Buffer | null {
    const { proxyProtocol } = this.plan
    return proxyProtocol === null ? null : proxyHeader(proxyProtocol, null)
  }

  /** Are the connections of `pool` what the request needs? */
  suits(pool: ConnectionPool, request: UpstreamRequest): boolean {
    if (this.plan.proxyProtocol !== null) return false
    if (pool instanceof MultiplexedPool !== this.#isMultiplexed(request)) return false
    return pool.target.tls === this.tls && pool.target.host === this.#hostOf(request)
  }

  /** For raw bytes. Sidecars of the mesh tell them from HTTP by the protocol name. */
  tunnelTarget(endpoint: Endpoint, client: ProxiedClient | null): DialTarget {
    const known = this.#tunnelTargets.get(endpoint)
    const isAlike = this.plan.proxyProtocol === null
    if (known !== undefined && isAlike && known.tls === this.tls) return known
    const isMesh = this.tls !== null && this.tls.plan.mesh === true
    const target = this.target(endpoint, null, isMesh ? MESH_RAW : null, client)
    if (isAlike && target.ipVersion !== 0) this.#tunnelTargets.set(endpoint, target)
    return target
  }

  /** `client`: whom the connection is for, where that is said in its PROXY header. */
  target(
    endpoint: Endpoint,
    host: string | null,
    alpn: string | null,
    client: ProxiedClient | null,
  ): DialTarget {
    const { proxyProtocol } = this.plan
    const preface = proxyProtocol === null ? null : proxyHeader(proxyProtocol, client)
    const { address, port } = endpoint
    const source = this.#sourceOf(address)
    return new DialTarget({ address, port, tls: this.tls, host, alpn, source, preface })
  }

  /** Where a health check goes. A TCP check has no Host, so that TLS checks the chain alone. */
  probeTarget(endpoint: Endpoint, { question, port }: HealthCheckPlan): DialTarget {
    const { tls } = this
    const isMultiplexed = question.kind === 'grpc' || (question.kind === 'http' && question.http2)
    const isNamed = tls !== null && tls.plan.serverName === null && question.kind !== 'tcp'
    return new DialTarget({
      address: endpoint.address,
      port: port ?? endpoint.port,
      tls,
      host: isNamed ? splitHostPort(question.host).host : null,
      alpn: isMultiplexed ? 'h2' : null,
      source: this.#sourceOf(endpoint.address),
    })
  }

  /**
   * Does the request travel as HTTP/2? See connectionPool.http.useClientProtocol. An upgrade is
   * HTTP/1.1's own: a WebSocket has a connection to itself either way.
   */
  #isMultiplexed(request: UpstreamRequest): boolean {
    const { protocol, clientProtocol } = this.plan
    if (request.upgrade !== null) return false
    return protocol === 'http2' || (clientProtocol && request.clientHttp2)
  }

  /** A tunnel's authority is not the proxy's name, but what the proxy is asked for. */
  #hostOf(request: UpstreamRequest): string | null {
    if (this.tls === null || this.tls.plan.serverName !== null) return null
    return request === this.tunnelRequest ? null : splitHostPort(request.authority).host
  }

  #create(
    endpoint: Endpoint,
    host: string | null,
    multiplexed: boolean,
    client: ProxiedClient | null,
  ): ConnectionPool {
    const target = this.target(endpoint, host, multiplexed ? 'h2' : null, client)
    const pool = multiplexed
      ? new MultiplexedPool(target, endpoint, this.#budget)
      : new ExclusivePool(target, endpoint, this.#budget)
    if (this.retired || endpoint.gone) pool.retire()
    return pool
  }
}

function requestOf({ tunnel, tls }: ClusterPlan): UpstreamRequest | null {
  return tunnel === null ? null : tunnelRequest(tunnel, tls !== null)
}

/** Connections of an endpoint that stands for a name end when the name lost their address. */
export function keepOnly(endpoint: Endpoint, addresses: readonly string[]): void {
  const remotes = new Set(addresses.map((address) => endpointKey(address, endpoint.port)))
  endpoint.pool?.keepOnly(remotes)
  for (const pool of endpoint.poolsByHost?.values() ?? []) pool.keepOnly(remotes)
}

import type { ConnectionPool, PoolOwner } from '../upstream/pool.ts'
import type { UpstreamFailure } from '../upstream/failure.ts'
import { canonicalAddress } from '../upstream/canonical-address.ts'
import type { UpstreamCounters } from '../upstream/counters.ts'
import { httpStatusOfGrpc } from './grpc-outcome.ts'
import type { EndpointHealth } from './health/endpoint-health.ts'
import type { EndpointPlan } from './plan.ts'
import { OutlierState } from './outlier-state.ts'

/** What an endpoint reports outcomes to; null when the cluster has no outlier detection. */
export interface OutlierListener {
  onStatus(endpoint: Endpoint, status: number): void
  onFailure(endpoint: Endpoint, failure: UpstreamFailure): void
}

/** `address:port` as sockets and logs print it: IPv6 short and in brackets; a unix socket is its path. */
export function endpointKey(address: string, port: number): string {
  if (address.startsWith('/')) return address
  const canonical = canonicalAddress(address) ?? address
  return canonical.includes(':') ? `[${canonical}]:${port}` : `${canonical}:${port}`
}

/**
 * The runtime of one address of a cluster: load, outcomes, connections. It lives as long as the
 * cluster names the address, across configuration changes.
 */
export class Endpoint implements PoolOwner {
  readonly key: string
  readonly address: string
  readonly port: number
  /** As configured. */
  weight: number
  /** What balancers go by: less than `weight` while the endpoint warms up. */
  effectiveWeight: number
  /** Clock reading at which warming up began, or -1: it is warm. */
  warmingSinceMs: number
  labels: Readonly<Record<string, string>>
  locality: string
  /** Failover level, 0 first. */
  priority: number
  /** What its locality as a whole weighs, or 0: endpoints share by their own weights. */
  localityWeight: number
  /** May be picked: not ejected, or the cluster is in panic. */
  available: boolean
  /** No longer one of its cluster's. */
  gone: boolean
  /** Attempts that run. */
  active: number
  /** Attempts that wait for a connection here. */
  waiting: number
  connections: number
  connectionsTotal: number
  connectFailures: number
  /** Why the latest connect or TLS handshake failed, or ''. */
  lastConnectFailure: string
  requestsTotal: number
  requestsFailed: number
  requestsSucceeded: number
  readonly outlier: OutlierState
  /** Its active health checks; null: it is not asked. */
  health: EndpointHealth | null
  outlierListener: OutlierListener | null
  /** Pool of clusters whose connections serve every request alike, or null. */
  pool: ConnectionPool | null
  /** Pools by TLS server name where that follows the request's host, or null. */
  poolsByHost: Map<string, ConnectionPool> | null
  readonly #counters: UpstreamCounters

  constructor(plan: EndpointPlan, counters: UpstreamCounters) {
    this.key = endpointKey(plan.address, plan.port)
    this.address = plan.address
    this.port = plan.port
    this.weight = plan.weight
    this.effectiveWeight = plan.weight
    this.warmingSinceMs = -1
    this.labels = plan.labels
    this.locality = plan.locality
    this.priority = plan.priority ?? 0
    this.localityWeight = plan.localityWeight ?? 0
    this.available = true
    this.gone = false
    this.active = 0
    this.waiting = 0
    this.connections = 0
    this.connectionsTotal = 0
    this.connectFailures = 0
    this.lastConnectFailure = ''
    this.requestsTotal = 0
    this.requestsFailed = 0
    this.requestsSucceeded = 0
    this.outlier = new OutlierState()
    this.health = null
    this.outlierListener = null
    this.pool = null
    this.poolsByHost = null
    this.#counters = counters
  }

  /** Nothing that watches it speaks against it. */
  get healthy(): boolean {
    return !this.outlier.ejected && (this.health === null || !this.health.out)
  }

  /** What least-request compares. */
  get load(): number {
    return this.active + this.waiting
  }

  /** Takes over what a new plan says of the same address. */
  adopt(plan: EndpointPlan): void {
    this.weight = plan.weight
    if (this.warmingSinceMs < 0) this.effectiveWeight = plan.weight
    this.labels = plan.labels
    this.locality = plan.locality
    this.priority = plan.priority ?? 0
    this.localityWeight = plan.localityWeight ?? 0
  }

  onAttemptStart(): void {
    this.active++
    this.requestsTotal++
    this.#counters.rqActive++
    this.#counters.rqTotal++
  }

  onAttemptStatus(status: number): void {
    const counters = this.#counters
    if (status >= 500) counters.rq5xx++
    else if (status >= 400) counters.rq4xx++
    else if (status >= 300) counters.rq3xx++
    else if (status >= 200) counters.rq2xx++
    else counters.rq1xx++
    if (status >= 500) this.requestsFailed++
    else this.requestsSucceeded++
    if (this.outlierListener !== null) this.outlierListener.onStatus(this, status)
  }

  onAttemptGrpcHead(): void {
    this.#counters.rq2xx++
  }

  onAttemptGrpcStatus(code: number): void {
    const status = httpStatusOfGrpc(code)
    if (status >= 500) this.requestsFailed++
    else this.requestsSucceeded++
    if (this.outlierListener !== null) this.outlierListener.onStatus(this, status)
  }

  onAttemptFailure(failure: UpstreamFailure): void {
    this.requestsFailed++
    if (failure.type === 'reset-before-headers' || failure.type === 'reset-after-headers') {
      this.#counters.rqReset++
    }
    if (this.outlierListener !== null) this.outlierListener.onFailure(this, failure)
  }

  onAttemptEnd(): void {
    this.active--
    this.#counters.rqActive--
  }

  /** The endpoint leaves its cluster, or its connections are no longer what the plan asks for. */
  retirePools(): void {
    if (this.pool !== null) this.pool.retire()
    if (this.poolsByHost !== null) for (const pool of this.poolsByHost.values()) pool.retire()
    this.pool = null
    this.poolsByHost = null
  }
}

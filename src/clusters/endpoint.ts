import type { ConnectionPool, PoolOwner } from '../upstream/pool.ts'
import type { UpstreamFailure } from '../upstream/failure.ts'
import { canonicalAddress } from '../upstream/canonical-address.ts'
import type { UpstreamCounters } from '../upstream/counters.ts'
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
  weight: number
  labels: Readonly<Record<string, string>>
  locality: string
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
  requestsTotal: number
  requestsFailed: number
  requestsSucceeded: number
  readonly outlier: OutlierState
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
    this.labels = plan.labels
    this.locality = plan.locality
    this.available = true
    this.gone = false
    this.active = 0
    this.waiting = 0
    this.connections = 0
    this.connectionsTotal = 0
    this.connectFailures = 0
    this.requestsTotal = 0
    this.requestsFailed = 0
    this.requestsSucceeded = 0
    this.outlier = new OutlierState()
    this.outlierListener = null
    this.pool = null
    this.poolsByHost = null
    this.#counters = counters
  }

  /** What least-request compares. */
  get load(): number {
    return this.active + this.waiting
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

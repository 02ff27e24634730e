import { type Now, monotonicNow } from '../base/clock.ts'
import type { FileReserve } from '../base/file-reserve.ts'
import type { AddressGuard } from '../upstream/address-guard.ts'
import { ConnectionBudget } from '../upstream/connection-budget.ts'
import { UpstreamCounters } from '../upstream/counters.ts'
import { DialTarget } from '../upstream/dial.ts'
import { ExclusivePool } from '../upstream/exclusive-pool.ts'
import type { ConnectionPool } from '../upstream/pool.ts'
import type { Resolver } from '../upstream/resolver.ts'
import type { UpstreamHandler, UpstreamRequest } from '../upstream/transport.ts'
import type { ClusterAttempt } from './attempt.ts'
import { describeEndpoint } from './describe.ts'
import type { ClusterDescription } from './description.ts'
import { Endpoint, endpointKey } from './endpoint.ts'
import {
  type PassthroughAttempt,
  PassthroughRequest,
  PassthroughTunnel,
} from './passthrough-attempt.ts'
import type { ConnectionLimits } from './plan.ts'

/** Addresses that have connections, or had until lately. */
export const MAX_ENDPOINTS = 10_000
/** Hosts nobody configured are seldom asked twice: their connections are not kept for long. */
const MAX_IDLE_TIMEOUT_MS = 60_000
const SWEEP_INTERVAL_MS = 1_000

/** Istio's defaults of connectionPool. */
const DEFAULT_LIMITS: ConnectionLimits = {
  maxConnections: 0,
  maxPendingRequests: 0,
  maxRequests: 0,
  maxRequestsPerConnection: 0,
  connectTimeoutMs: 10_000,
  idleTimeoutMs: MAX_IDLE_TIMEOUT_MS,
  tcpIdleTimeoutMs: 3_600_000,
  tcpKeepaliveMs: 0,
  bufferBytes: 32_768,
}

export interface PassthroughClusterOptions {
  readonly resolver: Resolver
  readonly guard: AddressGuard
  /** Default: no counts, 10 s to connect, tunnels idle for an hour. */
  readonly limits?: ConnectionLimits
  readonly now?: Now
  /** Open files that connections leave alone; absent: they take any. */
  readonly reserve?: FileReserve
}

/**
 * Istio's PassthroughCluster for an explicit proxy: goes where the request says (egress ALLOW_ANY).
 * A name is resolved once, its addresses are judged, and the connection goes to exactly such an
 * address. Clear text or opaque bytes only: TLS is the client's own.
 */
export class PassthroughCluster {
  readonly counters: UpstreamCounters
  readonly budget: ConnectionBudget
  readonly #resolver: Resolver
  readonly #guard: AddressGuard
  readonly #now: Now
  readonly #endpoints: Map<string, Endpoint>
  readonly #timer: NodeJS.Timeout

  constructor(options: PassthroughClusterOptions) {
    const limits = options.limits ?? DEFAULT_LIMITS
    const configured = limits.idleTimeoutMs === 0 ? Infinity : limits.idleTimeoutMs
    const idleTimeoutMs = Math.min(configured, MAX_IDLE_TIMEOUT_MS)
    this.#now = options.now ?? monotonicNow
    this.counters = new UpstreamCounters()
    this.budget = new ConnectionBudget(
      { ...limits, idleTimeoutMs },
      this.counters,
      this.#now,
      options.reserve,
    )
    this.#resolver = options.resolver
    this.#guard = options.guard
    this.#endpoints = new Map()
    this.#timer = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS)
    this.#timer.unref()
  }

  /** `host` without brackets; a refused address is a failure of type `address-refused`. */
  startRequest(
    host: string,
    port: number,
    request: UpstreamRequest,
    handler: UpstreamHandler,
  ): ClusterAttempt {
    const attempt = new PassthroughRequest(this, { host, port }, request, handler)
    this.#resolve(host, attempt)
    return attempt
  }

  startTunnel(host: string, port: number, handler: UpstreamHandler): ClusterAttempt {
    const attempt = new PassthroughTunnel(this, host, port, handler)
    this.#resolve(host, attempt)
    return attempt
  }

  describe(): ClusterDescription {
    const nowMs = this.#now()
    return {
      name: 'PassthroughCluster',
      protocol: 'http1',
      discovery: 'dns',
      policy: 'passthrough',
      retired: false,
      panic: false,
      dnsFailures: [],
      tlsProblem: '',
      endpoints: [...this.#endpoints.values()].map((endpoint) => describeEndpoint(endpoint, nowMs)),
      counters: this.counters.toRecord(),
    }
  }

  /** Ends every connection at once: drain before. */
  close(): void {
    clearInterval(this.#timer)
    this.budget.failQueue()
    this.budget.closePools()
    this.#endpoints.clear()
  }

  // For the attempts.

  /** Why the address must not be dialled on this port, or null. */
  refusal(address: string, port: number): string | null {
    return this.#guard.refusal(address, port)
  }

  /** null: too many addresses are in use. */
  endpointAt(address: string, port: number): Endpoint | null {
    const key = endpointKey(address, port)
    const known = this.#endpoints.get(key)
    if (known !== undefined) return known
    if (this.#endpoints.size >= MAX_ENDPOINTS) this.#forgetQuiet()
    if (this.#endpoints.size >= MAX_ENDPOINTS) return null
    const plan = { address, port, weight: 1, labels: NO_LABELS, locality: '' }
    const endpoint = new Endpoint(plan, this.counters)
    this.#endpoints.set(key, endpoint)
    return endpoint
  }

  poolOf(endpoint: Endpoint): ConnectionPool {
    endpoint.pool ??= new ExclusivePool(this.target(endpoint), endpoint, this.budget)
    return endpoint.pool
  }

  target(endpoint: Endpoint): DialTarget {
    const { address, port } = endpoint
    return new DialTarget({ address, port, tls: null, host: null, alpn: null })
  }

  #resolve(host: string, attempt: PassthroughAttempt): void {
    const known = this.#resolver.known(host)
    if (known !== null) process.nextTick(resolved, attempt, known)
    else void this.#resolver.resolve(host).then((resolution) => attempt.onResolved(resolution))
  }

  #sweep(): void {
    this.budget.sweep()
    this.#forgetQuiet()
  }

  #forgetQuiet(): void {
    for (const [key, endpoint] of this.#endpoints) {
      if (endpoint.connections > 0 || endpoint.active > 0) continue
      if (endpoint.pool !== null && endpoint.pool.waiters.size > 0) continue
      endpoint.retirePools()
      this.#endpoints.delete(key)
    }
  }
}

const NO_LABELS = {}

function resolved(
  attempt: PassthroughAttempt,
  resolution: Parameters<PassthroughAttempt['onResolved']>[0],
): void {
  attempt.onResolved(resolution)
}

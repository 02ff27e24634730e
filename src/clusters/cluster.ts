import { type Now, monotonicNow } from '../base/clock.ts'
import { splitHostPort } from '../base/host-port.ts'
import { type Random, systemRandom } from '../base/random.ts'
import {
  sameUpstreamTls,
  type UpstreamContext,
  type UpstreamContexts,
} from '../tls/upstream-context.ts'
import { ConnectionBudget } from '../upstream/connection-budget.ts'
import { UpstreamCounters } from '../upstream/counters.ts'
import { DialTarget } from '../upstream/dial.ts'
import { ExclusivePool } from '../upstream/exclusive-pool.ts'
import type { UpstreamFailure } from '../upstream/failure.ts'
import { failure, NO_ENDPOINT, OVERFLOW } from '../upstream/failures.ts'
import { MultiplexedPool } from '../upstream/multiplexed-pool.ts'
import type { ConnectionPool } from '../upstream/pool.ts'
import type { Resolver } from '../upstream/resolver.ts'
import type { UpstreamHandler, UpstreamRequest, UpstreamAttempt } from '../upstream/transport.ts'
import { type ClusterAttempt, RefusedAttempt, RequestAttempt } from './attempt.ts'
import type { ClusterDescription, ClusterEvent } from './description.ts'
import { describeCluster } from './describe.ts'
import { Discovery } from './discovery.ts'
import { Endpoint, endpointKey } from './endpoint.ts'
import { createPicker, pickUntried, type Picker } from './lb/picker.ts'
import { OutlierDetection, type OutlierSubject } from './outlier-detection.ts'
import type { PickContext } from './pick.ts'
import type { ClusterPlan, EndpointPlan } from './plan.ts'
import { TunnelAttempt } from '../upstream/tunnel-attempt.ts'

/** Server names one endpoint keeps connections for, where the name follows the request's Host. */
const MAX_HOSTS_PER_ENDPOINT = 1_000

/** What clusters of one process share. */
export interface ClusterEnvironment {
  readonly resolver: Resolver
  readonly contexts: UpstreamContexts
  readonly log: (event: ClusterEvent) => void
  readonly now?: Now
  readonly random?: Random
}

/**
 * The runtime of one cluster: endpoints, their health, connections and counters. It outlives the
 * plans of successive configurations that name it.
 */
export class Cluster implements OutlierSubject {
  readonly name: string
  readonly counters: UpstreamCounters
  readonly budget: ConnectionBudget
  readonly #environment: ClusterEnvironment
  readonly #now: Now
  readonly #random: Random
  readonly #discovery: Discovery
  #plan: ClusterPlan
  #tls: UpstreamContext | null
  #endpoints: readonly Endpoint[]
  #picker: Picker | null
  /** The last picker, for its position. */
  #previousPicker: Picker | null
  #outlier: OutlierDetection | null
  #outlierTimer: NodeJS.Timeout | null
  #panic: boolean
  #retired: boolean

  constructor(plan: ClusterPlan, environment: ClusterEnvironment) {
    this.name = plan.name
    this.counters = new UpstreamCounters()
    this.#environment = environment
    this.#now = environment.now ?? monotonicNow
    this.#random = environment.random ?? systemRandom
    this.budget = new ConnectionBudget(plan.limits, this.counters, this.#now)
    this.#plan = plan
    this.#tls = plan.tls === null ? null : environment.contexts.of(plan.tls)
    this.#endpoints = []
    this.#picker = null
    this.#previousPicker = null
    this.#outlier = null
    this.#outlierTimer = null
    this.#panic = false
    this.#retired = false
    this.#discovery = new Discovery(environment.resolver, this.#random, this)
    this.#setOutlier()
    this.#discovery.update(plan)
  }

  /** The latest plan. */
  get plan(): ClusterPlan {
    return this.#plan
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints
  }

  /** Resolved when every DNS name was looked up once, whatever came of it. Never rejects. */
  get ready(): Promise<void> {
    return this.#discovery.ready
  }

  /** True when nothing of it is on the wire any more. */
  get quiet(): boolean {
    return this.counters.cxActive === 0 && this.counters.rqPendingActive === 0
  }

  /** Takes the plan of a new configuration: what did not change keeps its connections and state. */
  update(plan: ClusterPlan): void {
    const previous = this.#plan
    this.#plan = plan
    this.#retired = false
    this.budget.limits = plan.limits
    if (!sameUpstreamTls(previous.tls, plan.tls) || previous.protocol !== plan.protocol) {
      this.#tls = plan.tls === null ? null : this.#environment.contexts.of(plan.tls)
      for (const endpoint of this.#endpoints) endpoint.retirePools()
    }
    this.#setOutlier()
    this.#picker = null
    this.#discovery.update(plan)
  }

  /** The configuration no longer names it: what runs may end, nothing is kept for later. */
  retire(): void {
    this.#retired = true
    this.#discovery.close()
    this.#stopOutlierTimer()
    for (const endpoint of this.#endpoints) endpoint.retirePools()
  }

  /** Ends everything at once. */
  close(): void {
    this.retire()
    this.budget.failQueue()
    this.budget.closePools()
  }

  /** Called by the registry's shared timer. */
  sweep(): void {
    this.budget.sweep()
  }

  /**
   * Picks an endpoint and starts the request on a connection to it, now or when there is one. The
   * outcome comes through the handler; only onUpstreamReady may come before this returns.
   */
  startRequest(
    request: UpstreamRequest,
    handler: UpstreamHandler,
    context: PickContext,
  ): ClusterAttempt {
    const endpoint = this.pickEndpoint(context)
    if (endpoint === null) return new RefusedAttempt('', handler, this.#nobody())
    if (!this.budget.admitsRequest()) {
      this.counters.rqPendingOverflow++
      return new RefusedAttempt(endpoint.key, handler, OVERFLOW)
    }
    const pool = this.poolOf(endpoint, request.authority)
    const connection = pool.take()
    if (connection !== null) return connection.start(request, handler, endpoint)
    const attempt = new RequestAttempt(this, request, handler, { context, endpoint })
    if (pool.wait(attempt)) return attempt
    attempt.giveUp()
    return new RefusedAttempt(endpoint.key, handler, OVERFLOW)
  }

  /** Picks an endpoint and connects to it for raw bytes both ways. */
  startTunnel(handler: UpstreamHandler, context: PickContext): ClusterAttempt {
    const endpoint = this.pickEndpoint(context)
    if (endpoint === null) return new RefusedAttempt('', handler, this.#nobody())
    if (!this.budget.makeRoom()) {
      this.counters.cxOverflow++
      return new RefusedAttempt(endpoint.key, handler, OVERFLOW)
    }
    const target = this.#target(endpoint, null, null)
    const { budget } = this
    return new TunnelAttempt({ target, handler, owner: endpoint, budget, gate: null })
  }

  /** The proxy gave an attempt up because its endpoint did not answer in time. */
  reportTimeout(attempt: UpstreamAttempt & { readonly remote: string }): void {
    this.counters.rqTimeout++
    const endpoint = this.#endpoints.find(({ key }) => key === attempt.remote)
    if (endpoint !== undefined) endpoint.onAttemptFailure(TIMEOUT)
  }

  describe(): ClusterDescription {
    return describeCluster(this, {
      nowMs: this.#now(),
      panic: this.#panic,
      retired: this.#retired,
      dnsFailures: this.#discovery.failures(),
      tlsProblem: this.#tls === null ? '' : this.#tls.problem,
    })
  }

  pickEndpoint(context: PickContext): Endpoint | null {
    this.#picker ??= this.#buildPicker()
    return pickUntried(this.#picker, context, this.#endpoints)
  }

  /** May a waiter for this authority use a connection of another endpoint? */
  mayMove(pool: ConnectionPool, authority: string): boolean {
    if (this.#picker === null || this.#picker.sticky) return false
    return pool.target.tls === this.#tls && pool.target.host === this.#hostOf(authority)
  }

  poolOf(endpoint: Endpoint, authority: string): ConnectionPool {
    const host = this.#hostOf(authority)
    if (host === null) {
      endpoint.pool ??= this.#createPool(endpoint, null)
      return endpoint.pool
    }
    endpoint.poolsByHost ??= new Map()
    const pools = endpoint.poolsByHost
    let pool = pools.get(host)
    if (pool === undefined) {
      if (pools.size >= MAX_HOSTS_PER_ENDPOINT) evictPool(pools)
      pool = this.#createPool(endpoint, host)
      pools.set(host, pool)
    }
    return pool
  }

  // What discovery and outlier detection report.

  onEndpoints(plans: readonly EndpointPlan[]): void {
    const known = new Map(this.#endpoints.map((endpoint) => [endpoint.key, endpoint]))
    const next = new Map<string, Endpoint>()
    for (const plan of plans) {
      const key = endpointKey(plan.address, plan.port)
      if (next.has(key)) continue
      const endpoint = known.get(key) ?? new Endpoint(plan, this.counters)
      endpoint.weight = plan.weight
      endpoint.labels = plan.labels
      endpoint.locality = plan.locality
      endpoint.outlierListener = this.#outlier
      next.set(key, endpoint)
    }
    this.#endpoints = [...next.values()]
    for (const endpoint of known.values()) {
      if (!next.has(endpoint.key)) this.#dismiss(endpoint)
    }
    this.#previousPicker = this.#picker ?? this.#previousPicker
    this.#picker = null
    this.onHealthChange()
  }

  onLookup(ok: boolean): void {
    if (ok) this.counters.updateSuccess++
    else this.counters.updateFailure++
  }

  onHealthChange(): void {
    const total = this.#endpoints.length
    const healthy = total - this.counters.ejectionsActive
    const minPercent = this.#plan.outlier === null ? 0 : this.#plan.outlier.minHealthPercent
    const panic = total > 0 && (100 * healthy) / total < minPercent
    if (panic !== this.#panic) {
      this.#panic = panic
      const message = `${healthy} of ${total} endpoints are healthy, minHealthPercent ${minPercent}`
      const type = panic ? 'panic' : 'panic-over'
      this.log({ type, cluster: this.name, endpoint: '', reason: 'minHealthPercent', message })
    }
    for (const endpoint of this.#endpoints) endpoint.available = panic || !endpoint.outlier.ejected
    if (this.#picker === null || this.#picker.sticky) return
    this.#previousPicker = this.#picker
    this.#picker = null
  }

  log(event: ClusterEvent): void {
    this.#environment.log(event)
  }

  #buildPicker(): Picker {
    const plan = this.#plan.loadBalancer
    return createPicker(plan, this.#endpoints, this.#random, this.#previousPicker)
  }

  #hostOf(authority: string): string | null {
    if (this.#tls === null || this.#tls.plan.serverName !== null) return null
    return splitHostPort(authority).host
  }

  #createPool(endpoint: Endpoint, host: string | null): ConnectionPool {
    const multiplexed = this.#plan.protocol === 'http2'
    const target = this.#target(endpoint, host, multiplexed ? 'h2' : null)
    const pool = multiplexed
      ? new MultiplexedPool(target, endpoint, this.budget)
      : new ExclusivePool(target, endpoint, this.budget)
    if (this.#retired || endpoint.gone) pool.retire()
    return pool
  }

  #target(endpoint: Endpoint, host: string | null, alpn: string | null): DialTarget {
    const { address, port } = endpoint
    return new DialTarget({ address, port, tls: this.#tls, host, alpn })
  }

  #dismiss(endpoint: Endpoint): void {
    endpoint.gone = true
    endpoint.available = false
    endpoint.outlierListener = null
    if (endpoint.outlier.ejected) this.counters.ejectionsActive--
    endpoint.outlier.ejected = false
    endpoint.retirePools()
  }

  #nobody(): UpstreamFailure {
    const reason = this.#endpoints.length === 0 ? this.#discovery.problem() : null
    if (reason !== null) return failure('dns-failure', reason)
    this.counters.noneHealthy++
    return NO_ENDPOINT
  }

  #setOutlier(): void {
    const plan = this.#plan.outlier
    this.#stopOutlierTimer()
    if (plan === null) {
      const previous = this.#outlier
      this.#outlier = null
      for (const endpoint of this.#endpoints) endpoint.outlierListener = null
      previous?.stop()
      return
    }
    if (this.#outlier === null) this.#outlier = new OutlierDetection(plan, this, this.#now)
    else this.#outlier.plan = plan
    const outlier = this.#outlier
    for (const endpoint of this.#endpoints) endpoint.outlierListener = outlier
    this.#outlierTimer = setInterval(() => outlier.sweep(), plan.intervalMs)
    this.#outlierTimer.unref()
  }

  #stopOutlierTimer(): void {
    if (this.#outlierTimer !== null) clearInterval(this.#outlierTimer)
    this.#outlierTimer = null
  }
}

const TIMEOUT = failure('timeout')

/** Makes place for another server name: an unused pool goes, else the oldest is let finish. */
function evictPool(pools: Map<string, ConnectionPool>): void {
  for (const [host, pool] of pools) {
    if (pool.size > 0 || pool.dialing > 0) continue
    pool.retire()
    pools.delete(host)
    return
  }
  for (const [host, pool] of pools) {
    pool.retire()
    pools.delete(host)
    return
  }
}

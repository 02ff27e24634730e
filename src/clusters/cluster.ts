import { type Now, monotonicNow } from '../base/clock.ts'
import { type Random, systemRandom } from '../base/random.ts'
import { sameUpstreamTls } from '../tls/upstream-context.ts'
import { ConnectionBudget } from '../upstream/connection-budget.ts'
import type { DialTarget } from '../upstream/dial.ts'
import { UpstreamCounters } from '../upstream/counters.ts'
import type { UpstreamFailure } from '../upstream/failure.ts'
import { failure, NO_ENDPOINT, OVERFLOW } from '../upstream/failures.ts'
import type { ConnectionPool } from '../upstream/pool.ts'
import type { UpstreamHandler, UpstreamRequest, UpstreamAttempt } from '../upstream/transport.ts'
import { type ClusterAttempt, RefusedAttempt, RequestAttempt } from './attempt.ts'
import type { ClusterEnvironment } from './cluster-environment.ts'
import type { ClusterDescription, ClusterEvent } from './description.ts'
import { describeCluster } from './describe.ts'
import { Discovery } from './discovery.ts'
import { Endpoint, endpointKey } from './endpoint.ts'
import { EndpointPools, keepOnly } from './endpoint-pools.ts'
import { forget, HealthChecks, type HealthSubject } from './health/health-checks.ts'
import type { HealthCheckPlan } from './health/plan.ts'
import { ProbeSlots } from './health/probe-slots.ts'
import { createPicker, pickUntried, type Picker } from './lb/picker.ts'
import { RemoteRetries } from './lb/remote-retries.ts'
import { OutlierDetection, type OutlierSubject } from './outlier-detection.ts'
import type { PickContext } from './pick.ts'
import type { ClusterPlan, EndpointPlan } from './plan.ts'
import { levelsOf, panicNote, type PriorityLevel, weighLevels } from './priority-levels.ts'
import { RetryGate } from './retry-gate.ts'
import { warmupOf, type Warmup, warmupPlanOf } from './warmup.ts'
import { TunnelAttempt } from '../upstream/tunnel-attempt.ts'
import { WrappedTunnel } from '../upstream/wrapped-tunnel.ts'

/**
 * The runtime of one cluster: endpoints, their health, connections and counters. It outlives the
 * plans of successive configurations that name it.
 */
export class Cluster implements OutlierSubject, HealthSubject {
  readonly name: string
  readonly counters: UpstreamCounters
  readonly budget: ConnectionBudget
  readonly retries: RetryGate
  readonly #environment: ClusterEnvironment
  readonly #now: Now
  readonly #random: Random
  readonly #discovery: Discovery
  #plan: ClusterPlan
  readonly #pools: EndpointPools
  #endpoints: readonly Endpoint[]
  #levels: readonly PriorityLevel[]
  /** null: every endpoint has its full weight. */
  #warmup: Warmup | null
  #picker: Picker | null
  #remoteRetries: RemoteRetries | null
  /** The last picker, for its position. */
  #previousPicker: Picker | null
  #outlier: OutlierDetection | null
  #outlierTimer: NodeJS.Timeout | null
  /** null: endpoints are not asked whether they are well. */
  #checks: HealthChecks | null
  #panic: boolean
  #retired: boolean

  constructor(plan: ClusterPlan, environment: ClusterEnvironment) {
    this.name = plan.name
    this.counters = new UpstreamCounters()
    this.#environment = environment
    this.#now = environment.now ?? monotonicNow
    this.#random = environment.random ?? systemRandom
    this.budget = new ConnectionBudget(plan.limits, this.counters, this.#now, environment.reserve)
    this.retries = new RetryGate(plan.retries, this.counters)
    this.#plan = plan
    this.#endpoints = []
    this.#levels = []
    this.#warmup = null
    this.#picker = null
    this.#remoteRetries = null
    this.#previousPicker = null
    this.#outlier = null
    this.#outlierTimer = null
    this.#checks = null
    this.#panic = false
    this.#retired = false
    const discovery = new Discovery(environment.resolver, this.#random, this)
    this.#discovery = discovery
    this.#pools = new EndpointPools({
      plan,
      tls: plan.tls === null ? null : environment.contexts.of(plan.tls),
      budget: this.budget,
      sourceOf: (address) => discovery.sourceOf(address),
    })
    this.#setOutlier()
    this.#setChecks()
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
    this.#pools.follow(plan)
    this.budget.limits = plan.limits
    this.retries.limits = plan.retries
    if (
      !sameUpstreamTls(previous.tls, plan.tls) ||
      previous.protocol !== plan.protocol ||
      previous.clientProtocol !== plan.clientProtocol ||
      previous.proxyProtocol !== plan.proxyProtocol
    ) {
      this.#pools.tls = plan.tls === null ? null : this.#environment.contexts.of(plan.tls)
      for (const endpoint of this.#endpoints) endpoint.retirePools()
    }
    this.#setOutlier()
    this.#setChecks()
    this.#dropPicker()
    this.#discovery.update(plan)
  }

  /** The configuration no longer names it: what runs may end, nothing is kept for later. */
  retire(): void {
    this.#retired = true
    this.#pools.retired = true
    this.#discovery.close()
    this.#stopOutlierTimer()
    this.#checks?.close()
    this.#checks = null
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
    const pool = this.poolOf(endpoint, request, context)
    const connection = pool.take()
    if (connection !== null) return connection.start(request, handler, endpoint)
    const attempt = new RequestAttempt(this, request, handler, { context, endpoint })
    if (pool.wait(attempt)) return attempt
    attempt.giveUp()
    return new RefusedAttempt(endpoint.key, handler, OVERFLOW)
  }

  /** Picks an endpoint and connects to it for raw bytes both ways. */
  startTunnel(handler: UpstreamHandler, context: PickContext): ClusterAttempt {
    const { tunnelRequest } = this.#pools
    if (tunnelRequest !== null) {
      const tunnel = new WrappedTunnel(handler, this.#plan.limits.connectTimeoutMs)
      return tunnel.begin(this.startRequest(tunnelRequest, tunnel, context))
    }
    const endpoint = this.pickEndpoint(context)
    if (endpoint === null) return new RefusedAttempt('', handler, this.#nobody())
    if (!this.budget.makeRoom()) {
      this.counters.cxOverflow++
      return new RefusedAttempt(endpoint.key, handler, OVERFLOW)
    }
    const target = this.#pools.tunnelTarget(endpoint, context.connection ?? null)
    const { budget } = this
    return new TunnelAttempt({ target, handler, owner: endpoint, budget, gate: null })
  }

  /** The proxy gave an attempt up because its endpoint did not answer in time. */
  reportTimeout(attempt: UpstreamAttempt & { readonly remote: string }): void {
    this.counters.rqTimeout++
    const endpoint = this.#endpointAt(attempt.remote)
    if (endpoint !== undefined) endpoint.onAttemptFailure(TIMEOUT)
  }

  describe(): ClusterDescription {
    return describeCluster(this, {
      nowMs: this.#now(),
      panic: this.#panic,
      retired: this.#retired,
      dnsFailures: this.#discovery.failures(),
      tlsProblem: this.#pools.tls === null ? '' : this.#pools.tls.problem,
    })
  }

  pickEndpoint(context: PickContext): Endpoint | null {
    if (this.#warmup !== null) this.#warmUp(this.#warmup)
    this.#picker ??= this.#buildPicker()
    if (context.tried !== null && context.preferences?.remoteRetries === true) {
      this.#remoteRetries ??= new RemoteRetries(this.#plan, this.#levels, this.#random)
      return this.#remoteRetries.pick(context) ?? pickUntried(this.#picker, context)
    }
    return pickUntried(this.#picker, context)
  }

  /** May a waiter for this authority use a connection of another endpoint? */
  mayMove(pool: ConnectionPool, request: UpstreamRequest): boolean {
    if (this.#picker === null || !this.#picker.spread) return false
    return this.#pools.suits(pool, request)
  }

  poolOf(endpoint: Endpoint, request: UpstreamRequest, context: PickContext): ConnectionPool {
    return this.#pools.poolOf(endpoint, request, context)
  }

  // What discovery and outlier detection report.

  onEndpoints(plans: readonly EndpointPlan[]): void {
    const known = new Map(this.#endpoints.map((endpoint) => [endpoint.key, endpoint]))
    const next = new Map<string, Endpoint>()
    for (const plan of plans) {
      const key = endpointKey(plan.address, plan.port)
      if (next.has(key)) continue
      const endpoint = known.get(key) ?? this.#newEndpoint(plan, known.size > 0)
      endpoint.adopt(plan)
      endpoint.outlierListener = this.#outlier
      if (this.#checks !== null) this.#checks.watch(endpoint, known.size > 0)
      next.set(key, endpoint)
    }
    this.#endpoints = [...next.values()]
    this.#levels = levelsOf(this.#endpoints)
    this.#warmup = warmupOf(this.#plan, this.#endpoints)
    for (const endpoint of known.values()) {
      if (!next.has(endpoint.key)) this.#dismiss(endpoint)
    }
    this.#dropPicker()
    this.onHealthChange()
  }

  onLookup(ok: boolean): void {
    if (ok) this.counters.updateSuccess++
    else this.counters.updateFailure++
  }

  onCandidates(name: string, addresses: readonly string[]): void {
    for (const endpoint of this.#endpoints) {
      if (endpoint.address === name) keepOnly(endpoint, addresses)
    }
  }

  onHealthChange(): void {
    const total = this.#endpoints.length
    const healthy = this.#endpoints.filter((endpoint) => endpoint.healthy).length
    const minPercent = this.#plan.outlier === null ? 0 : this.#plan.outlier.minHealthPercent
    weighLevels(this.#levels, minPercent)
    const panic = this.#levels.some((level) => level.panic)
    if (panic !== this.#panic) {
      this.#panic = panic
      const note = panicNote(this.#levels)
      const message = `${healthy} of ${total} endpoints are healthy${note}, minHealthPercent ${minPercent}`
      const type = panic ? 'panic' : 'panic-over'
      this.log({ type, cluster: this.name, endpoint: '', reason: 'minHealthPercent', message })
    }
    if (this.#picker === null || this.#picker.sticky) return
    this.#dropPicker()
  }

  log(event: ClusterEvent): void {
    this.#environment.log(event)
  }

  #buildPicker(): Picker {
    const plan = this.#plan.loadBalancer
    return createPicker(plan, this.#levels, this.#random, this.#previousPicker)
  }

  #dropPicker(): void {
    this.#previousPicker = this.#picker ?? this.#previousPicker
    this.#picker = null
    this.#remoteRetries = null
  }

  /** The endpoints a cluster begins with are warm: only those that join others grow. */
  #newEndpoint(plan: EndpointPlan, joins: boolean): Endpoint {
    const endpoint = new Endpoint(plan, this.counters)
    if (joins && warmupPlanOf(this.#plan) !== null) endpoint.warmingSinceMs = this.#now()
    return endpoint
  }

  #warmUp(warmup: Warmup): void {
    const now = this.#now()
    if (now < warmup.nextStepMs) return
    warmup.step(now)
    if (warmup.over) this.#warmup = null
    this.#dropPicker()
  }

  /** The one that was connected to; a name or a unix socket is not told by its peer's address. */
  #endpointAt(remote: string): Endpoint | undefined {
    const endpoints = this.#endpoints
    return endpoints.length === 1 ? endpoints[0] : endpoints.find(({ key }) => key === remote)
  }

  probeTarget(endpoint: Endpoint, plan: HealthCheckPlan): DialTarget {
    return this.#pools.probeTarget(endpoint, plan)
  }

  #dismiss(endpoint: Endpoint): void {
    endpoint.gone = true
    forget(endpoint)
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

  #setChecks(): void {
    const plan = this.#plan.healthCheck
    if (plan === null) {
      this.#checks?.close()
      this.#checks = null
      return
    }
    if (this.#checks !== null) {
      this.#checks.plan = plan
      return
    }
    const slots = this.#environment.probeSlots ?? new ProbeSlots()
    this.#checks = new HealthChecks(plan, this, { slots, random: this.#random })
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

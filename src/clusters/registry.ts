import { type Now, monotonicNow } from '../base/clock.ts'
import type { FileReserve } from '../base/file-reserve.ts'
import { type Random, systemRandom } from '../base/random.ts'
import { UpstreamContexts } from '../tls/upstream-context.ts'
import type { Resolver } from '../upstream/resolver.ts'
import { Cluster } from './cluster.ts'
import type { ClusterEnvironment } from './cluster-environment.ts'
import type { ClusterDescription, ClusterEvent } from './description.ts'
import { ProbeSlots } from './health/probe-slots.ts'
import type { ClusterPlan } from './plan.ts'

/** Idle connections and retired clusters are looked at this often: idle timeouts are that coarse. */
const SWEEP_INTERVAL_MS = 1_000

export interface ClusterRegistryOptions {
  readonly resolver: Resolver
  /** Ejections with their arithmetic, DNS failures, endpoint changes. */
  readonly log: (event: ClusterEvent) => void
  readonly now?: Now
  readonly random?: Random
  /** Open files that connections to endpoints leave alone; absent: they take any. */
  readonly reserve?: FileReserve
}

/**
 * The runtime of all clusters by name. Connections, ejections and counters live here and survive
 * every change of configuration that still names the cluster.
 */
export class ClusterRegistry {
  readonly #environment: ClusterEnvironment
  readonly #clusters: Map<string, Cluster>
  /** No longer named; kept until their last connection ends. */
  readonly #retired: Map<string, Cluster>
  readonly #timer: NodeJS.Timeout

  constructor(options: ClusterRegistryOptions) {
    const now = options.now ?? monotonicNow
    this.#environment = {
      resolver: options.resolver,
      contexts: new UpstreamContexts(now),
      log: options.log,
      now,
      random: options.random ?? systemRandom,
      probeSlots: new ProbeSlots(),
      reserve: options.reserve ?? null,
    }
    this.#clusters = new Map()
    this.#retired = new Map()
    this.#timer = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS)
    this.#timer.unref()
  }

  /** Binds `plan.runtime` of every plan. Call before the snapshot that holds them is published. */
  install(plans: readonly ClusterPlan[]): void {
    const named = new Set<string>()
    for (const plan of plans) {
      named.add(plan.name)
      plan.runtime = this.#take(plan)
    }
    for (const [name, cluster] of this.#clusters) {
      if (named.has(name)) continue
      this.#clusters.delete(name)
      cluster.retire()
      this.#retired.set(name, cluster)
    }
  }

  get(name: string): Cluster | null {
    return this.#clusters.get(name) ?? null
  }

  describe(): readonly ClusterDescription[] {
    const all = [...this.#clusters.values(), ...this.#retired.values()]
    return all.map((cluster) => cluster.describe())
  }

  /** Resolved when every DNS name of the installed plans was looked up once. Never rejects. */
  async firstLookups(): Promise<void> {
    await Promise.all([...this.#clusters.values()].map((cluster) => cluster.ready))
  }

  /** Ends every connection at once: drain before. */
  close(): Promise<void> {
    clearInterval(this.#timer)
    for (const cluster of this.#clusters.values()) cluster.close()
    for (const cluster of this.#retired.values()) cluster.close()
    this.#clusters.clear()
    this.#retired.clear()
    return Promise.resolve()
  }

  #take(plan: ClusterPlan): Cluster {
    const name = plan.name
    const known = this.#clusters.get(name) ?? this.#retired.get(name)
    if (known !== undefined && known.plan !== plan) known.update(plan)
    const cluster = known ?? new Cluster(plan, this.#environment)
    this.#retired.delete(name)
    this.#clusters.set(name, cluster)
    return cluster
  }

  #sweep(): void {
    for (const cluster of this.#clusters.values()) cluster.sweep()
    for (const [name, cluster] of this.#retired) {
      cluster.sweep()
      if (cluster.quiet) this.#retired.delete(name)
    }
  }
}

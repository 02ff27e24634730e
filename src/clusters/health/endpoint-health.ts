import { Probe, type ProbeListener } from '../../upstream/probe.ts'
import type { Endpoint } from '../endpoint.ts'
import type { HealthChecks } from './health-checks.ts'
import type { ProbeJob } from './probe-slots.ts'

/**
 * `pending`: not asked yet. Endpoints that a cluster begins with are used meanwhile; one that joins
 * others is not (see `held`).
 */
export type HealthState = 'pending' | 'healthy' | 'unhealthy'

/** The checks of one endpoint, one after the other, and what came of them. */
export class EndpointHealth implements ProbeJob, ProbeListener {
  state: HealthState
  /** Why the latest check failed, or ''. */
  lastFailure: string
  /** Not to be picked: its checks failed, or it is new and was not asked yet. */
  out: boolean
  readonly #endpoint: Endpoint
  readonly #checks: HealthChecks
  /** Results in a row that speak against the state there is. */
  #against: number
  #timer: NodeJS.Timeout | null
  #probe: Probe | null
  #closed: boolean

  constructor(endpoint: Endpoint, checks: HealthChecks, held: boolean) {
    this.state = 'pending'
    this.lastFailure = ''
    this.out = held
    this.#endpoint = endpoint
    this.#checks = checks
    this.#against = 0
    this.#timer = null
    this.#probe = null
    this.#closed = false
    this.#schedule(0)
  }

  /** Another question: what was counted against the state belongs to the old one. */
  restart(): void {
    this.#against = 0
    this.state = 'pending'
    this.#stop()
    this.#schedule(0)
  }

  close(): void {
    this.#closed = true
    this.#stop()
  }

  run(): void {
    this.#checks.counters.healthCheckAttempt++
    const { plan } = this.#checks
    const limits = { connectTimeoutMs: plan.timeoutMs, tcpKeepaliveMs: 0, bufferBytes: 65_536 }
    this.#probe = new Probe(this.#checks.targetOf(this.#endpoint), plan.question, limits, this)
  }

  onProbeEnd(problem: string, network: boolean): void {
    this.#probe = null
    const { counters, plan } = this.#checks
    this.lastFailure = problem
    if (problem === '') counters.healthCheckSuccess++
    else {
      counters.healthCheckFailure++
      if (network) counters.healthCheckNetworkFailure++
    }
    this.#schedule(this.#checks.nextDelayMs())
    this.#judge(problem === '', problem === '' ? plan.healthyThreshold : plan.unhealthyThreshold)
    this.#checks.slots.leave()
  }

  /** For the timer only. */
  begin(): void {
    this.#timer = null
    this.#checks.slots.enter(this)
  }

  /** The first answer decides alone; later ones need as many in a row as the plan says. */
  #judge(well: boolean, threshold: number): void {
    const next = well ? 'healthy' : 'unhealthy'
    if (this.state === next) {
      this.#against = 0
      return
    }
    this.#against++
    const needed = this.state === 'pending' ? 1 : threshold
    if (this.#against < needed) return
    this.#against = 0
    const first = this.state === 'pending'
    this.state = next
    const changed = this.out === well
    this.out = !well
    if (changed) this.#checks.onChange(this.#endpoint, this, needed)
    else if (first) this.#checks.onFirst()
  }

  #schedule(delayMs: number): void {
    if (this.#closed) return
    this.#timer = setTimeout(begin, delayMs, this)
    this.#timer.unref()
  }

  #stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const { slots } = this.#checks
    slots.withdraw(this)
    if (this.#probe === null) return
    this.#probe.abort()
    this.#probe = null
    slots.leave()
  }
}

function begin(health: EndpointHealth): void {
  health.begin()
}

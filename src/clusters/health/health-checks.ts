import type { Random } from '../../base/random.ts'
import type { UpstreamCounters } from '../../upstream/counters.ts'
import type { DialTarget } from '../../upstream/dial.ts'
import type { ClusterEvent } from '../description.ts'
import type { Endpoint } from '../endpoint.ts'
import { EndpointHealth } from './endpoint-health.ts'
import { type HealthCheckPlan, sameQuestion } from './plan.ts'
import type { ProbeSlots } from './probe-slots.ts'

/** The part of the interval by which checks drift, so that those of many endpoints do not agree. */
const JITTER = 0.1

/** Whose endpoints are checked. Implemented by the cluster. */
export interface HealthSubject {
  readonly name: string
  readonly counters: UpstreamCounters
  readonly endpoints: readonly Endpoint[]
  probeTarget(endpoint: Endpoint, plan: HealthCheckPlan): DialTarget
  onHealthChange(): void
  log(event: ClusterEvent): void
}

/** Active health checks of one cluster. What is known of an endpoint outlives its plans. */
export class HealthChecks {
  readonly slots: ProbeSlots
  readonly #subject: HealthSubject
  readonly #random: Random
  #plan: HealthCheckPlan

  constructor(
    plan: HealthCheckPlan,
    subject: HealthSubject,
    parts: { readonly slots: ProbeSlots; readonly random: Random },
  ) {
    this.#plan = plan
    this.#subject = subject
    this.slots = parts.slots
    this.#random = parts.random
  }

  get plan(): HealthCheckPlan {
    return this.#plan
  }

  get counters(): UpstreamCounters {
    return this.#subject.counters
  }

  /** Takes new times and thresholds; another question is asked at once. */
  set plan(plan: HealthCheckPlan) {
    const same = sameQuestion(this.#plan, plan)
    this.#plan = plan
    if (same) return
    for (const { health } of this.#subject.endpoints) health?.restart()
  }

  /** Begins to check an endpoint. `joins`: others are there, so it can wait until it was asked. */
  watch(endpoint: Endpoint, joins: boolean): void {
    endpoint.health ??= new EndpointHealth(endpoint, this, joins)
  }

  close(): void {
    for (const endpoint of this.#subject.endpoints) forget(endpoint)
  }

  targetOf(endpoint: Endpoint): DialTarget {
    return this.#subject.probeTarget(endpoint, this.#plan)
  }

  nextDelayMs(): number {
    return this.#plan.intervalMs * (1 - JITTER + 2 * JITTER * this.#random())
  }

  onFirst(): void {
    this.#subject.onHealthChange()
  }

  onChange(endpoint: Endpoint, health: EndpointHealth, inARow: number): void {
    const well = health.state === 'healthy'
    const times = inARow === 1 ? '' : ` ${inARow} times in a row`
    this.#subject.log({
      type: well ? 'check-passed' : 'check-failed',
      cluster: this.#subject.name,
      endpoint: endpoint.key,
      reason: health.lastFailure,
      message: well
        ? `the health check passed${times}: the endpoint gets requests`
        : `the health check failed${times} (${health.lastFailure}): the endpoint gets no requests`,
    })
    this.#subject.onHealthChange()
  }
}

/** Ends the checks of an endpoint and what they found. */
export function forget(endpoint: Endpoint): void {
  endpoint.health?.close()
  endpoint.health = null
}

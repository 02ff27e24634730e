import type { Endpoint } from './endpoint.ts'
import type { ClusterPlan, WarmupPlan } from './plan.ts'

/** Weights are adjusted this many times over the duration ... */
const STEPS = 100
/** ... but not more often than this, and at least once a second. */
const MIN_STEP_MS = 10
const MAX_STEP_MS = 1_000

/**
 * What part of its weight an endpoint has `ageMs` after it appeared (Envoy slow start):
 * max(minimumPercent, (age / duration) ^ (1 / aggression)), 1 at the end.
 */
export function warmupFactor(plan: WarmupPlan, ageMs: number): number {
  if (ageMs >= plan.durationMs) return 1
  const progress = Math.max(ageMs, 1) / plan.durationMs
  return Math.min(1, Math.max(plan.minimumPercent / 100, progress ** (1 / plan.aggression)))
}

/** The endpoints of one cluster that warm up. Looked at by picks, so that it needs no timer. */
export class Warmup {
  readonly #plan: WarmupPlan
  #endpoints: readonly Endpoint[]
  /** Clock reading from which weights are stale. */
  nextStepMs: number

  /** `endpoints` without those that are warm. */
  constructor(plan: WarmupPlan, endpoints: readonly Endpoint[]) {
    this.#plan = plan
    this.#endpoints = endpoints.filter(({ warmingSinceMs }) => warmingSinceMs >= 0)
    this.nextStepMs = 0
  }

  /** True when every endpoint has its full weight. */
  get over(): boolean {
    return this.#endpoints.length === 0
  }

  /** Gives each endpoint the weight of its age. */
  step(nowMs: number): void {
    for (const endpoint of this.#endpoints) {
      const factor = warmupFactor(this.#plan, nowMs - endpoint.warmingSinceMs)
      endpoint.effectiveWeight = endpoint.weight * factor
      if (factor >= 1) endpoint.warmingSinceMs = -1
    }
    this.#endpoints = this.#endpoints.filter(({ warmingSinceMs }) => warmingSinceMs >= 0)
    const stepMs = Math.min(MAX_STEP_MS, Math.max(MIN_STEP_MS, this.#plan.durationMs / STEPS))
    this.nextStepMs = nowMs + stepMs
  }
}

/** null: the policy knows no warming up, or the plan asks for none. */
export function warmupPlanOf({ loadBalancer }: ClusterPlan): WarmupPlan | null {
  return 'warmup' in loadBalancer ? (loadBalancer.warmup ?? null) : null
}

/** null when no endpoint has to warm up; without a plan those that did are warm at once. */
export function warmupOf(plan: ClusterPlan, endpoints: readonly Endpoint[]): Warmup | null {
  const warmupPlan = warmupPlanOf(plan)
  if (warmupPlan === null) {
    for (const endpoint of endpoints) {
      endpoint.warmingSinceMs = -1
      endpoint.effectiveWeight = endpoint.weight
    }
    return null
  }
  const warmup = new Warmup(warmupPlan, endpoints)
  return warmup.over ? null : warmup
}

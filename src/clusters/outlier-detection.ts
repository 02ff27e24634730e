import type { Now } from '../base/clock.ts'
import type { UpstreamCounters } from '../upstream/counters.ts'
import type { UpstreamFailure } from '../upstream/failure.ts'
import type { ClusterEvent } from './description.ts'
import type { Endpoint, OutlierListener } from './endpoint.ts'
import type { OutlierPlan } from './plan.ts'

/** Ejections last at most this long, unless baseEjectionTime itself is longer (Envoy's default). */
const MAX_EJECTION_TIME_MS = 300_000

/** What the detector judges and whom it tells. Implemented by the cluster. */
export interface OutlierSubject {
  readonly name: string
  readonly endpoints: readonly Endpoint[]
  readonly counters: UpstreamCounters
  onHealthChange(): void
  log(event: ClusterEvent): void
}

/**
 * Passive health checks as Envoy does them for Istio: consecutive errors eject an endpoint at once,
 * a sweep every `interval` brings it back. The interval is no counting window.
 */
export class OutlierDetection implements OutlierListener {
  plan: OutlierPlan
  readonly #subject: OutlierSubject
  readonly #now: Now

  constructor(plan: OutlierPlan, subject: OutlierSubject, now: Now) {
    this.plan = plan
    this.#subject = subject
    this.#now = now
  }

  onStatus(endpoint: Endpoint, status: number): void {
    const state = endpoint.outlier
    // Any answer at all proves that the endpoint can be reached.
    state.consecutiveLocalOriginFailures = 0
    const codes = this.plan.errorCodes
    if (codes === undefined ? status >= 500 : codes.includes(status)) {
      this.#countError(endpoint, status)
      return
    }
    state.consecutive5xx = 0
    state.consecutiveGatewayErrors = 0
  }

  onFailure(endpoint: Endpoint, failure: UpstreamFailure): void {
    if (failure.type === 'overflow' || failure.type === 'no-endpoint') return
    if (failure.type === 'address-refused') return
    if (!this.plan.splitLocalOrigin) {
      this.#countError(endpoint, failure.type === 'timeout' ? 504 : 503)
      return
    }
    const state = endpoint.outlier
    const limit = this.plan.consecutiveLocalOriginFailures
    if (++state.consecutiveLocalOriginFailures >= limit && limit > 0) {
      this.#eject(endpoint, 'consecutive local origin failures', limit)
    }
  }

  /** Brings back what served its time and lets multipliers of healthy endpoints decay. */
  sweep(): void {
    const now = this.#now()
    let changed = false
    for (const endpoint of this.#subject.endpoints) {
      const state = endpoint.outlier
      if (!state.ejected) {
        if (state.multiplier > 0) state.multiplier--
      } else if (now - state.ejectedAtMs >= state.ejectedForMs) {
        this.#return(endpoint, `after ${state.ejectedForMs} ms`)
        changed = true
      }
    }
    if (changed) this.#subject.onHealthChange()
  }

  /** Ends all ejections: the policy was removed. */
  stop(): void {
    for (const endpoint of this.#subject.endpoints) {
      if (endpoint.outlier.ejected) this.#return(endpoint, 'outlier detection was switched off')
    }
    this.#subject.onHealthChange()
  }

  #countError(endpoint: Endpoint, status: number): void {
    const state = endpoint.outlier
    const plan = this.plan
    if (status >= 502 && status <= 504) {
      const limit = plan.consecutiveGatewayErrors
      if (++state.consecutiveGatewayErrors >= limit && limit > 0) {
        this.#eject(endpoint, 'consecutive gateway errors', limit)
      }
    } else {
      state.consecutiveGatewayErrors = 0
    }
    const limit = plan.consecutive5xx
    if (++state.consecutive5xx >= limit && limit > 0) {
      this.#eject(endpoint, 'consecutive 5xx', limit)
    }
  }

  #eject(endpoint: Endpoint, reason: string, limit: number): void {
    const state = endpoint.outlier
    if (state.ejected || endpoint.gone) return
    const subject = this.#subject
    const plan = this.plan
    const total = subject.endpoints.length
    const ejected = subject.counters.ejectionsActive
    const percent = (100 * (ejected + 1)) / total
    const share = `${ejected + 1} of ${total} endpoints = ${Math.round(percent)}%`
    const first = plan.alwaysEjectOne && ejected === 0 && total >= 2
    if (percent > plan.maxEjectionPercent && !first) {
      this.#forget(endpoint)
      subject.counters.ejectionsOverflow++
      const message = `${limit} ${reason}, not ejected: ${share} > maxEjectionPercent ${plan.maxEjectionPercent}`
      this.#log('ejection-refused', endpoint, reason, message)
      return
    }
    state.ejected = true
    state.multiplier++
    state.ejections++
    state.ejectedAtMs = this.#now()
    const cap = Math.max(MAX_EJECTION_TIME_MS, plan.baseEjectionTimeMs)
    state.ejectedForMs = Math.min(plan.baseEjectionTimeMs * state.multiplier, cap)
    subject.counters.ejectionsActive++
    subject.counters.ejectionsTotal++
    const limitText =
      percent > plan.maxEjectionPercent
        ? `> maxEjectionPercent ${plan.maxEjectionPercent}, one is always allowed`
        : `<= maxEjectionPercent ${plan.maxEjectionPercent}`
    const time = `${state.ejectedForMs} ms = min(${plan.baseEjectionTimeMs} x ${state.multiplier}, ${cap})`
    this.#log(
      'ejected',
      endpoint,
      reason,
      `${limit} ${reason}, ${share} ${limitText}; back in ${time}`,
    )
    subject.onHealthChange()
  }

  #return(endpoint: Endpoint, reason: string): void {
    endpoint.outlier.ejected = false
    this.#forget(endpoint)
    this.#subject.counters.ejectionsActive--
    this.#log('returned', endpoint, reason, `takes requests again ${reason}`)
  }

  #forget(endpoint: Endpoint): void {
    const state = endpoint.outlier
    state.consecutive5xx = 0
    state.consecutiveGatewayErrors = 0
    state.consecutiveLocalOriginFailures = 0
  }

  #log(type: ClusterEvent['type'], endpoint: Endpoint, reason: string, message: string): void {
    this.#subject.log({
      type,
      cluster: this.#subject.name,
      endpoint: endpoint.key,
      reason,
      message,
    })
  }
}

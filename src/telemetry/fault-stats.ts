import type { Registry } from 'prom-client'
import { PublishedCounter, PublishedGauge } from './published-metric.ts'

/** Faults injected by this process (VirtualService.http.fault). */
export interface FaultCounts {
  readonly delaysInjected: number
  readonly abortsInjected: number
  /** Requests that wait at this moment. */
  readonly delayed: number
  /** Delays left out because too many requests waited already. */
  readonly overflows: number
}

/** Named as Envoy's fault filter names them. */
export function publishFaultStats(registry: Registry, counts: FaultCounts): void {
  const counters = [
    ['delays_injected', 'Requests delayed by a fault', 'delaysInjected'],
    ['aborts_injected', 'Requests aborted by a fault', 'abortsInjected'],
    ['faults_overflow', 'Delays left out because too many requests waited', 'overflows'],
  ] as const
  for (const [name, help, field] of counters) {
    new PublishedCounter({ name: `envoy_http_fault_${name}`, help, registry }, () => [
      { labels: {}, value: counts[field] },
    ])
  }
  new PublishedGauge(
    { name: 'envoy_http_fault_active_faults', help: 'Requests that a fault delays now', registry },
    () => [{ labels: {}, value: counts.delayed }],
  )
}

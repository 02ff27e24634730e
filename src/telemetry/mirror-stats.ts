import type { Registry } from 'prom-client'
import { PublishedCounter, PublishedGauge } from './published-metric.ts'

/** Shadow requests of this process: on their way, and by what became of them. */
export interface MirrorStats {
  readonly active: number
  readonly outcomes: Readonly<Record<string, number>>
}

export const NO_MIRRORS: MirrorStats = { active: 0, outcomes: {} }

/** Mirrored requests are nobody's requests: istio_* does not count them, these and envoy_cluster_* do. */
export function publishMirrorStats(registry: Registry, read: () => MirrorStats): void {
  new PublishedCounter(
    {
      name: 'tidegate_mirror_requests_total',
      help: 'Copies of requests for mirrors, by what became of them',
      registry,
    },
    () =>
      Object.entries(read().outcomes).map(([outcome, value]) => ({ labels: { outcome }, value })),
  )
  new PublishedGauge(
    {
      name: 'tidegate_mirror_requests_active',
      help: 'Copies of requests on their way to mirrors',
      registry,
    },
    () => [{ labels: {}, value: read().active }],
  )
}

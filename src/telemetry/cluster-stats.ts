import type { Registry } from 'prom-client'
import { PublishedCounter, PublishedGauge } from './published-metric.ts'

/** What a cluster's runtime counts. Totals only grow; the others are what is so right now. */
export interface ClusterStats {
  readonly name: string
  readonly requestsTotal: number
  readonly requestsActive: number
  readonly requestsPending: number
  /** Requests refused by a circuit breaker. */
  readonly requestsOverflowed: number
  readonly connectionsTotal: number
  readonly connectionsActive: number
  readonly connectFailures: number
  readonly endpoints: number
  readonly endpointsHealthy: number
  readonly endpointsEjected: number
}

type Field = Exclude<keyof ClusterStats, 'name'>

const COUNTERS: readonly (readonly [name: string, help: string, field: Field])[] = [
  ['envoy_cluster_upstream_rq_total', 'Requests sent to the cluster', 'requestsTotal'],
  [
    'envoy_cluster_upstream_rq_pending_overflow',
    'Requests refused by a circuit breaker',
    'requestsOverflowed',
  ],
  ['envoy_cluster_upstream_cx_total', 'Connections opened to the cluster', 'connectionsTotal'],
  ['envoy_cluster_upstream_cx_connect_fail', 'Connections that failed to open', 'connectFailures'],
]

const GAUGES: readonly (readonly [name: string, help: string, field: Field])[] = [
  ['envoy_cluster_upstream_rq_active', 'Requests under way', 'requestsActive'],
  [
    'envoy_cluster_upstream_rq_pending_active',
    'Requests waiting for a connection',
    'requestsPending',
  ],
  ['envoy_cluster_upstream_cx_active', 'Open connections', 'connectionsActive'],
  ['envoy_cluster_membership_total', 'Endpoints', 'endpoints'],
  ['envoy_cluster_membership_healthy', 'Endpoints that take traffic', 'endpointsHealthy'],
  [
    'envoy_cluster_outlier_detection_ejections_active',
    'Endpoints ejected by outlier detection',
    'endpointsEjected',
  ],
]

/** Publishes envoy_cluster_* for what `read` gives at each scrape; label `cluster_name` as in Istio. */
export function publishClusterStats(registry: Registry, read: () => readonly ClusterStats[]): void {
  const samples = (field: Field) => () =>
    read().map((stats) => ({ labels: { cluster_name: stats.name }, value: stats[field] }))
  for (const [name, help, field] of COUNTERS) {
    new PublishedCounter({ name, help, registry }, samples(field))
  }
  for (const [name, help, field] of GAUGES) {
    new PublishedGauge({ name, help, registry }, samples(field))
  }
}

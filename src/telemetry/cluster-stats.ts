import type { Registry } from 'prom-client'
import { PublishedCounter, PublishedGauge, type Sample } from './published-metric.ts'

/** What a cluster's runtime counts (a ClusterDescription is one). */
export interface ClusterStats {
  readonly name: string
  /** By Envoy's names without `upstream_`: `rq_total`, `cx_active`, `ejections_active` ... */
  readonly counters: Readonly<Record<string, number>>
  readonly endpoints: readonly { readonly health: string }[]
}

/** The counters of clusters/ and upstream/ that are published. */
const COUNTERS: readonly string[] = [
  'rq_total',
  'rq_active',
  'rq_pending_total',
  'rq_pending_active',
  'rq_pending_overflow',
  'rq_timeout',
  'rq_retry',
  'rq_retry_success',
  'rq_retry_overflow',
  'rq_retry_limit_exceeded',
  'rq_1xx',
  'rq_2xx',
  'rq_3xx',
  'rq_4xx',
  'rq_5xx',
  'cx_total',
  'cx_active',
  'cx_connect_fail',
  'cx_connect_timeout',
  'cx_overflow',
  'cx_idle_timeout',
  'cx_max_requests',
  'cx_max_duration_reached',
  'none_healthy',
  'ejections_active',
  'ejections_total',
  'ejections_overflow',
  'update_success',
  'update_failure',
  'health_check_attempt',
  'health_check_success',
  'health_check_failure',
  'health_check_network_failure',
]

/** Counters whose Envoy name is not `upstream_` and the counter. */
const NAMES: Readonly<Record<string, string>> = {
  none_healthy: 'upstream_cx_none_healthy',
  ejections_active: 'outlier_detection_ejections_active',
  ejections_total: 'outlier_detection_ejections_enforced_total',
  ejections_overflow: 'outlier_detection_ejections_overflow',
  update_success: 'update_success',
  update_failure: 'update_failure',
  health_check_attempt: 'health_check_attempt',
  health_check_success: 'health_check_success',
  health_check_failure: 'health_check_failure',
  health_check_network_failure: 'health_check_network_failure',
}

/** Envoy publishes status classes as one metric with a label. */
const STATUS_CLASS = /^rq_([1-5])xx$/

/**
 * Publishes envoy_cluster_* for the clusters that `read` gives at each scrape; label
 * `cluster_name` as in Istio. A counter ending in `_active` is a gauge.
 */
export function publishClusterStats(registry: Registry, read: () => readonly ClusterStats[]): void {
  for (const counter of COUNTERS.filter((name) => !STATUS_CLASS.test(name))) {
    const name = `envoy_cluster_${NAMES[counter] ?? `upstream_${counter}`}`
    const help = `Envoy's cluster statistic ${name.slice('envoy_cluster_'.length)}`
    const samples = (): readonly Sample[] =>
      read().map((stats) => ({
        labels: { cluster_name: stats.name },
        value: stats.counters[counter] ?? 0,
      }))
    if (counter.endsWith('_active')) new PublishedGauge({ name, help, registry }, samples)
    else new PublishedCounter({ name, help, registry }, samples)
  }
  publishStatusClasses(registry, read)
  publishMembership(registry, read)
}

function publishStatusClasses(registry: Registry, read: () => readonly ClusterStats[]): void {
  const classes = COUNTERS.flatMap((counter) => {
    const digit = STATUS_CLASS.exec(counter)?.[1]
    return digit === undefined ? [] : [{ counter, digit }]
  })
  const description = {
    name: 'envoy_cluster_upstream_rq_xx',
    help: 'Responses by class of status',
    registry,
  }
  new PublishedCounter(description, () =>
    read().flatMap((stats) =>
      classes.map(({ counter, digit }) => ({
        labels: { cluster_name: stats.name, response_code_class: `${digit}xx` },
        value: stats.counters[counter] ?? 0,
      })),
    ),
  )
}

function publishMembership(registry: Registry, read: () => readonly ClusterStats[]): void {
  const gauge = (name: string, help: string, count: (stats: ClusterStats) => number): void => {
    new PublishedGauge({ name, help, registry }, () =>
      read().map((stats) => ({ labels: { cluster_name: stats.name }, value: count(stats) })),
    )
  }
  gauge('envoy_cluster_membership_total', 'Endpoints', ({ endpoints }) => endpoints.length)
  gauge(
    'envoy_cluster_membership_healthy',
    'Endpoints that neither outlier detection nor health checks took out',
    ({ endpoints }) => endpoints.filter(({ health }) => health === 'healthy').length,
  )
}

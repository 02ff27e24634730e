import { Registry } from 'prom-client'
import type { ExchangeObserver, ExchangeRecord } from '../proxy/exchange-record.ts'
import { type AcmeCounts, publishAcmeStats } from './acme-stats.ts'
import { type CertificateExpiry, publishCertificateStats } from './certificate-stats.ts'
import { type ClusterStats, publishClusterStats } from './cluster-stats.ts'
import type { SourceIdentity } from './istio-labels.ts'
import { type FaultCounts, publishFaultStats } from './fault-stats.ts'
import { type JwtCounts, publishJwtStats } from './jwt-stats.ts'
import { type MirrorStats, publishMirrorStats } from './mirror-stats.ts'
import { publishRateLimitStats, type RateLimitCounts } from './rate-limit-stats.ts'
import { publishRateLimitStore, type RateLimitStoreState } from './rate-limit-store.ts'
import { type ProblemCounts, ProcessState, publishProcessState } from './process-state.ts'
import {
  type DistributionSample,
  PublishedCounter,
  PublishedHistogram,
} from './published-metric.ts'
import { RefusalCounter } from './refusal-counter.ts'
import { type RequestSeries, RequestSeriesTable } from './request-series.ts'
import type { TcpTelemetry } from './tcp-telemetry.ts'

export interface MetricsOptions {
  readonly source: SourceIdentity
  /** Tidegate's version, for tidegate_build_info. */
  readonly version: string
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number
  /** Counts of every cluster at this moment, or null for no envoy_cluster_* metrics. */
  readonly clusterStats: (() => readonly ClusterStats[]) | null
  /** Lines the access log could not write, or null without an access log. */
  readonly droppedLogLines: (() => number) | null
  /** Messages that the last check kept from the wire; absent: not published. */
  readonly invariantViolations?: () => number
  /** Served certificates, read when somebody scrapes; absent: none are. */
  readonly certificates?: () => readonly CertificateExpiry[]
  /** How orders of certificates ended; absent: none are ordered. */
  readonly acme?: () => AcmeCounts
  /** Shadow requests at this moment; absent: nothing mirrors. */
  readonly mirrorStats?: () => MirrorStats
  /** Counted where faults are injected, read when somebody scrapes; absent: no faults. */
  readonly faults?: FaultCounts
  /** Counted where tokens are validated; absent: none are. */
  readonly jwt?: JwtCounts
  /** Publishes what is counted of the egress proxy. */
  readonly egress?: (registry: Registry) => void
  /** Counts of every rate limit rule; absent: nothing is limited. */
  readonly rateLimits?: () => readonly RateLimitCounts[]
  /** Where those are counted. */
  readonly rateLimitStore?: () => RateLimitStoreState
  /** Absent: no istio_tcp_* metrics. */
  readonly tcp?: TcpTelemetry
}

/**
 * Everything /stats/prometheus shows. A request costs two map look-ups and three bucket counts;
 * label sets are built once each and text only when somebody scrapes.
 */
export class Metrics implements ExchangeObserver {
  /** Malformed requests, refused handshakes. */
  readonly refusals = new RefusalCounter()
  readonly #registry: Registry
  readonly #requests: RequestSeriesTable
  readonly #state: ProcessState

  constructor(options: MetricsOptions) {
    const registry = new Registry()
    const requests = new RequestSeriesTable(options.source)
    this.#registry = registry
    this.#requests = requests
    this.#state = new ProcessState(options.startedAtMs)
    publishRequests(registry, requests)
    this.refusals.publish(registry)
    publishProcessState(registry, this.#state, options.version)
    if (options.clusterStats !== null) publishClusterStats(registry, options.clusterStats)
    if (options.certificates !== undefined) publishCertificateStats(registry, options.certificates)
    if (options.acme !== undefined) publishAcmeStats(registry, options.acme)
    if (options.mirrorStats !== undefined) publishMirrorStats(registry, options.mirrorStats)
    if (options.faults !== undefined) publishFaultStats(registry, options.faults)
    if (options.jwt !== undefined) publishJwtStats(registry, options.jwt)
    if (options.rateLimits !== undefined) publishRateLimitStats(registry, options.rateLimits)
    if (options.rateLimitStore !== undefined) {
      publishRateLimitStore(registry, options.rateLimitStore)
    }
    if (options.tcp !== undefined) options.tcp.publish(registry)
    if (options.egress !== undefined) options.egress(registry)
    publishCount(
      registry,
      'tidegate_access_log_dropped_lines_total',
      'Access log lines lost because the sink was slow or gone',
      options.droppedLogLines,
    )
    publishCount(
      registry,
      'tidegate_invariant_violations_total',
      'Messages that failed the last check before they are written; any is a bug of the gateway',
      options.invariantViolations ?? null,
    )
  }

  onExchangeEnd(record: ExchangeRecord): void {
    this.#requests.count(record)
  }

  /** A snapshot is serving. */
  configurationServing(generation: number, listeners: number): void {
    this.#state.generation = generation
    this.#state.listeners = listeners
  }

  /** A configuration load ended; `ok` false: nothing of it could be served. */
  configurationLoaded(ok: boolean, problems: ProblemCounts): void {
    if (ok) this.#state.reloadsOk++
    else this.#state.reloadsFailed++
    this.#state.problems = problems
  }

  /** Adds what a part that starts later counts. */
  add(publish: (registry: Registry) => void): void {
    publish(this.#registry)
  }

  /** Prometheus text format. */
  exposition(): Promise<string> {
    return this.#registry.metrics()
  }

  /** `content-type` of the exposition. */
  get contentType(): string {
    return this.#registry.contentType
  }
}

/** One number without labels; null: nobody counts it. */
function publishCount(
  registry: Registry,
  name: string,
  help: string,
  read: (() => number) | null,
): void {
  if (read === null) return
  new PublishedCounter({ name, help, registry }, () => [{ labels: {}, value: read() }])
}

function publishRequests(registry: Registry, table: RequestSeriesTable): void {
  const of = (read: (series: RequestSeries) => DistributionSample) => () => table.all.map(read)
  new PublishedCounter({ name: 'istio_requests_total', help: 'Requests', registry }, () =>
    table.all.map(({ labels, count }) => ({ labels, value: count })),
  )
  new PublishedHistogram(
    {
      name: 'istio_request_duration_milliseconds',
      help: 'Duration of requests, from the head received to the last byte sent',
      registry,
    },
    of(({ labels, duration }) => ({ labels, distribution: duration })),
  )
  new PublishedHistogram(
    { name: 'istio_request_bytes', help: 'Sizes of request bodies', registry },
    of(({ labels, requestBytes }) => ({ labels, distribution: requestBytes })),
  )
  new PublishedHistogram(
    { name: 'istio_response_bytes', help: 'Sizes of response bodies', registry },
    of(({ labels, responseBytes }) => ({ labels, distribution: responseBytes })),
  )
  new PublishedCounter(
    {
      name: 'tidegate_metrics_dropped_requests_total',
      help: 'Requests without an istio_* sample because too many label sets exist',
      registry,
    },
    () => [{ labels: {}, value: table.dropped }],
  )
}

import type { ClusterPlan, DestinationLabels } from '../clusters/plan.ts'
import type { ExchangeRecord } from '../proxy/exchange-record.ts'
import {
  NO_DESTINATION,
  peerLabels,
  type SourceIdentity,
  UNDECLARED_DESTINATIONS,
} from './istio-labels.ts'
import { Distribution } from './published-metric.ts'

/** Label sets kept at most; requests that would need another one are counted as dropped. */
export const MAX_SERIES = 20_000

/** Counts of all requests that share one label set. */
export class RequestSeries {
  readonly labels: Readonly<Record<string, string>>
  count: number
  readonly duration: Distribution
  readonly requestBytes: Distribution
  readonly responseBytes: Distribution

  constructor(labels: Readonly<Record<string, string>>) {
    this.labels = labels
    this.count = 0
    this.duration = new Distribution()
    this.requestBytes = new Distribution()
    this.responseBytes = new Distribution()
  }
}

/** By response flags, then by status, gRPC status and protocol packed into one integer. */
class DestinationSeries {
  readonly labels: Readonly<Record<string, string>>
  readonly byFlags: Map<string, Map<number, RequestSeries>>

  constructor(labels: Readonly<Record<string, string>>) {
    this.labels = labels
    this.byFlags = new Map()
  }
}

/**
 * All label sets of istio_* request metrics. Clusters with the same destination (subsets) share
 * their series; a cluster's new plan after a configuration change finds the old ones again.
 */
export class RequestSeriesTable {
  readonly all: RequestSeries[]
  /** Requests left out because MAX_SERIES was reached. */
  dropped: number
  readonly #source: SourceIdentity
  readonly #maxSeries: number
  readonly #byPlan: WeakMap<ClusterPlan, DestinationSeries>
  readonly #byDestination: Map<string, DestinationSeries>

  constructor(source: SourceIdentity, maxSeries: number = MAX_SERIES) {
    this.all = []
    this.dropped = 0
    this.#source = source
    this.#maxSeries = maxSeries
    this.#byPlan = new WeakMap()
    this.#byDestination = new Map()
  }

  count(record: ExchangeRecord): void {
    const series = this.#seriesOf(record)
    if (series === null) {
      this.dropped++
      return
    }
    series.count++
    series.duration.observe(record.endedMonotonicMs - record.startedMonotonicMs)
    series.requestBytes.observe(record.bytesReceived)
    series.responseBytes.observe(record.bytesSent)
  }

  #seriesOf(record: ExchangeRecord): RequestSeries | null {
    const destination = this.#destinationOf(record)
    const grpc = isGrpc(record)
    const status = record.status & 0x3ff
    const key = (status << 6) | (grpcIndex(record.grpcStatus) << 1) | (grpc ? 1 : 0)
    let byKey = destination.byFlags.get(record.flags)
    const found = byKey?.get(key)
    if (found !== undefined) return found
    if (this.all.length >= this.#maxSeries) return null
    if (byKey === undefined) {
      byKey = new Map()
      destination.byFlags.set(record.flags, byKey)
    }
    const series = new RequestSeries({
      ...destination.labels,
      request_protocol: grpc ? 'grpc' : 'http',
      response_code: String(status),
      grpc_response_status: GRPC_LABELS[grpcIndex(record.grpcStatus)]!,
      response_flags: record.flags,
      connection_security_policy: 'unknown',
    })
    byKey.set(key, series)
    this.all.push(series)
    return series
  }

  #destinationOf(record: ExchangeRecord): DestinationSeries {
    const undeclared = UNDECLARED_DESTINATIONS.get(record.clusterName)
    if (undeclared !== undefined) return this.#bySharedLabels(undeclared)
    const plan = record.cluster
    if (plan === null) return this.#bySharedLabels(NO_DESTINATION)
    const known = this.#byPlan.get(plan)
    if (known !== undefined) return known
    const destination = this.#bySharedLabels(plan.destination)
    this.#byPlan.set(plan, destination)
    return destination
  }

  #bySharedLabels(labels: DestinationLabels): DestinationSeries {
    const key = `${labels.service} ${labels.serviceName} ${labels.serviceNamespace}`
    let destination = this.#byDestination.get(key)
    if (destination === undefined) {
      destination = new DestinationSeries(peerLabels(this.#source, labels))
      this.#byDestination.set(key, destination)
    }
    return destination
  }
}

function isGrpc(record: ExchangeRecord): boolean {
  const type = record.request.headers.get('content-type')
  return type !== null && type.startsWith('application/grpc')
}

const HIGHEST_GRPC_STATUS = 16
/** '' for none, the status, `other` for what no gRPC status is: an upstream may send anything. */
const GRPC_LABELS: readonly string[] = [
  '',
  ...Array.from({ length: HIGHEST_GRPC_STATUS + 1 }, (_, status) => String(status)),
  'other',
]
const GRPC_INDEX: ReadonlyMap<string, number> = new Map(
  GRPC_LABELS.map((label, index) => [label, index]),
)

function grpcIndex(status: string): number {
  return GRPC_INDEX.get(status) ?? GRPC_LABELS.length - 1
}

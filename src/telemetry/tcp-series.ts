import type { DestinationLabels } from '../clusters/plan.ts'
import type { ExchangeRecord } from '../proxy/exchange-record.ts'
import {
  NO_DESTINATION,
  peerLabels,
  type SourceIdentity,
  UNDECLARED_DESTINATIONS,
} from './istio-labels.ts'

/** Counts of all TCP connections that share one label set; bytes are added as they pass. */
export class TcpSeries {
  readonly labels: Readonly<Record<string, string>>
  opened: number
  closed: number
  receivedBytes: number
  sentBytes: number

  constructor(labels: Readonly<Record<string, string>>) {
    this.labels = labels
    this.opened = 0
    this.closed = 0
    this.receivedBytes = 0
    this.sentBytes = 0
  }
}

/**
 * All label sets of istio_tcp_* metrics, by destination and response flags. Both are finite: what
 * configuration names, and the flags the proxy knows.
 */
export class TcpSeriesTable {
  readonly all: TcpSeries[]
  readonly #source: SourceIdentity
  readonly #byDestination: Map<string, Map<string, TcpSeries>>
  /** The same, found without its name: configurations that follow each other have labels of their own. */
  readonly #byLabels: WeakMap<DestinationLabels, Map<string, TcpSeries>>

  constructor(source: SourceIdentity) {
    this.all = []
    this.#source = source
    this.#byDestination = new Map()
    this.#byLabels = new WeakMap()
  }

  seriesOf(record: ExchangeRecord, flags: string): TcpSeries {
    const destination = destinationOf(record)
    let byFlags = this.#byLabels.get(destination)
    if (byFlags === undefined) {
      byFlags = this.#named(destination)
      this.#byLabels.set(destination, byFlags)
    }
    let series = byFlags.get(flags)
    if (series === undefined) {
      series = new TcpSeries({
        ...peerLabels(this.#source, destination),
        request_protocol: 'tcp',
        response_flags: flags,
        connection_security_policy: 'unknown',
      })
      byFlags.set(flags, series)
      this.all.push(series)
    }
    return series
  }

  #named({ service, serviceName, serviceNamespace }: DestinationLabels): Map<string, TcpSeries> {
    const key = `${service} ${serviceName} ${serviceNamespace}`
    let byFlags = this.#byDestination.get(key)
    if (byFlags === undefined) {
      byFlags = new Map()
      this.#byDestination.set(key, byFlags)
    }
    return byFlags
  }
}

function destinationOf(record: ExchangeRecord): DestinationLabels {
  const undeclared = UNDECLARED_DESTINATIONS.get(record.clusterName)
  return undeclared ?? record.cluster?.destination ?? NO_DESTINATION
}

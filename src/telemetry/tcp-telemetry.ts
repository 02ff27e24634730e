import type { Registry } from 'prom-client'
import type { ExchangeObserver, ExchangeRecord } from '../proxy/exchange-record.ts'
import type { TcpByteCounters, TcpObserver } from '../proxy/tcp-record.ts'
import type { SourceIdentity } from './istio-labels.ts'
import { PublishedCounter } from './published-metric.ts'
import { type TcpSeries, TcpSeriesTable } from './tcp-series.ts'

/**
 * Metrics and access log of TCP connections. Bytes are counted while a connection is open, so that
 * one of hours shows in every scrape. HTTP, WebSocket and CONNECT count as requests, as in Istio.
 */
export class TcpTelemetry implements TcpObserver {
  readonly #series: TcpSeriesTable
  /** null: TCP connections are not logged. */
  readonly #log: ExchangeObserver | null

  constructor(source: SourceIdentity, log: ExchangeObserver | null) {
    this.#series = new TcpSeriesTable(source)
    this.#log = log
  }

  onTcpOpen(record: ExchangeRecord): TcpByteCounters {
    const series = this.#series.seriesOf(record, '-')
    series.opened++
    return series
  }

  onTcpEnd(record: ExchangeRecord, opened: boolean): void {
    const series = this.#series.seriesOf(record, record.flags)
    if (!opened) series.opened++
    series.closed++
    if (this.#log !== null) this.#log.onExchangeEnd(record)
  }

  publish(registry: Registry): void {
    const counter = (name: string, help: string, read: (series: TcpSeries) => number): void => {
      new PublishedCounter({ name, help, registry }, () =>
        this.#series.all.map((series) => ({ labels: series.labels, value: read(series) })),
      )
    }
    counter(
      'istio_tcp_sent_bytes_total',
      'Bytes sent to clients of TCP connections',
      ({ sentBytes }) => sentBytes,
    )
    counter(
      'istio_tcp_received_bytes_total',
      'Bytes received from clients of TCP connections',
      ({ receivedBytes }) => receivedBytes,
    )
    counter('istio_tcp_connections_opened_total', 'TCP connections opened', ({ opened }) => opened)
    counter('istio_tcp_connections_closed_total', 'TCP connections closed', ({ closed }) => closed)
  }
}

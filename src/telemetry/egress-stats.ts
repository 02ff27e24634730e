import type { Registry } from 'prom-client'
import type { EgressRecord } from '../proxy/egress-record.ts'
import { PublishedCounter, PublishedGauge } from './published-metric.ts'

/** Label sets; beyond, the client's namespace is not told any more. */
export const MAX_SERIES = 2000

interface Series {
  readonly labels: Readonly<Record<string, string>>
  count: number
}

/** Decisions by verdict, kind and the client's namespace: never by a host that a client names. */
export class EgressCounts {
  readonly #series = new Map<string, Series>()

  count(record: EgressRecord): void {
    const { verdict, kind, client } = record
    // A namespace from the configuration; certificates and users say theirs only when it let them in.
    const namespace = client.namespace === '' ? 'unknown' : client.namespace
    const key = `${verdict} ${kind} ${client.by} ${namespace}`
    const known = this.#series.get(key)
    if (known !== undefined) known.count++
    else if (this.#series.size < MAX_SERIES) this.#add(key, record, namespace)
    else this.#addOther(record)
  }

  #add(key: string, { verdict, kind, client }: EgressRecord, namespace: string): void {
    const labels = { verdict, kind, client_by: client.by, client_namespace: namespace }
    this.#series.set(key, { labels, count: 1 })
  }

  /** At most one more for each verdict, kind and way of being known. */
  #addOther(record: EgressRecord): void {
    const key = `${record.verdict} ${record.kind} ${record.client.by} (other)`
    const known = this.#series.get(key)
    if (known === undefined) this.#add(key, record, 'other')
    else known.count++
  }

  publish(registry: Registry, ledger: { readonly lost: number } | null, reportOnly: boolean): void {
    new PublishedCounter(
      {
        name: 'tidegate_egress_decisions_total',
        help: 'Decisions of the egress proxy',
        registry,
      },
      () => [...this.#series.values()].map(({ labels, count }) => ({ labels, value: count })),
    )
    new PublishedGauge(
      {
        name: 'tidegate_egress_report_mode',
        help: '1 when REGISTRY_ONLY is only reported (--egress-mode report)',
        registry,
      },
      () => [{ labels: {}, value: reportOnly ? 1 : 0 }],
    )
    if (ledger === null) return
    new PublishedCounter(
      {
        name: 'tidegate_egress_ledger_lost_total',
        help: 'Decisions that are not in the egress ledger because it could not keep up',
        registry,
      },
      () => [{ labels: {}, value: ledger.lost }],
    )
  }
}

import type { Registry } from 'prom-client'
import { PublishedCounter } from './published-metric.ts'

/** Counts of the DNS server. */
export interface DnsStats {
  answers(): readonly DnsAnswerCount[]
  /** Answers that UDP had no room for. */
  truncated(): number
}

export interface DnsAnswerCount {
  readonly transport: string
  readonly source: string
  readonly rcode: string
  readonly count: number
}

export function publishDnsStats(registry: Registry, stats: DnsStats): void {
  new PublishedCounter(
    {
      name: 'tidegate_dns_answers_total',
      help: 'Answers of the DNS server by transport, who knew the answer, and response code',
      registry,
    },
    () =>
      stats.answers().map(({ transport, source, rcode, count }) => ({
        labels: { transport, source, rcode },
        value: count,
      })),
  )
  new PublishedCounter(
    {
      name: 'tidegate_dns_truncated_total',
      help: 'DNS answers that were too long for UDP',
      registry,
    },
    () => [{ labels: {}, value: stats.truncated() }],
  )
}

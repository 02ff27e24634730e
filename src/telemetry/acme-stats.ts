import type { Registry } from 'prom-client'
import { PublishedCounter } from './published-metric.ts'

/** Orders of this process by how they ended: `issued`, `failed`, `lost`. */
export type AcmeCounts = ReadonlyMap<string, number>

/** Publishes how orders of certificates ended; `read` is called when somebody scrapes. */
export function publishAcmeStats(registry: Registry, read: () => AcmeCounts): void {
  new PublishedCounter(
    {
      name: 'tidegate_acme_orders_total',
      help: 'Orders of certificates by ACME that ended, by result',
      registry,
    },
    () => [...read()].map(([result, value]) => ({ labels: { result }, value })),
  )
}

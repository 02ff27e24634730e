import type { Registry } from 'prom-client'
import { PublishedCounter } from './published-metric.ts'

/** What was refused before it became an exchange, by stage and reason: both are fixed sets of names. */
export class RefusalCounter {
  readonly #counts = new Map<string, { stage: string; reason: string; count: number }>()

  count(stage: 'http' | 'tls' | 'tcp', reason: string): void {
    const key = `${stage} ${reason}`
    const known = this.#counts.get(key)
    if (known === undefined) this.#counts.set(key, { stage, reason, count: 1 })
    else known.count++
  }

  publish(registry: Registry): void {
    new PublishedCounter(
      {
        name: 'tidegate_downstream_refused_total',
        help: 'Connections and requests refused before they reached a route, by reason',
        registry,
      },
      () =>
        [...this.#counts.values()].map(({ stage, reason, count }) => ({
          labels: { stage, reason },
          value: count,
        })),
    )
  }
}

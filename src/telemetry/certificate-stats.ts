import type { Registry } from 'prom-client'
import { PublishedGauge, type Sample } from './published-metric.ts'

/** When a served certificate ends. */
export interface CertificateExpiry {
  /** Where it comes from: `kubernetes://istio-system/shop-cert` or `file://path`. */
  readonly name: string
  /** Milliseconds since the epoch. */
  readonly notAfterMs: number
}

const DAY_MS = 24 * 60 * 60 * 1000

/** Publishes when certificates of Gateway servers expire; `read` is called when somebody scrapes. */
export function publishCertificateStats(
  registry: Registry,
  read: () => readonly CertificateExpiry[],
  now: () => number = Date.now,
): void {
  new PublishedGauge(
    {
      name: 'tidegate_certificate_expiration_timestamp_seconds',
      help: 'End of the validity of each served certificate, since the epoch',
      registry,
    },
    () => read().map(({ name, notAfterMs }) => ({ labels: { name }, value: notAfterMs / 1000 })),
  )
  new PublishedGauge(
    {
      name: 'envoy_server_days_until_first_cert_expiring',
      help: 'Whole days until the first served certificate expires; 0 when one has',
      registry,
    },
    (): readonly Sample[] => {
      const ends = read().map(({ notAfterMs }) => notAfterMs)
      if (ends.length === 0) return []
      const days = Math.floor((Math.min(...ends) - now()) / DAY_MS)
      return [{ labels: {}, value: Math.max(0, days) }]
    },
  )
}

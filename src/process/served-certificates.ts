import { NO_ACME } from '../acme/acme-settings.ts'
import type { CertificateDescription } from '../admin/admin-state.ts'
import type { PendingChallenges } from '../base/pending-challenges.ts'
import type { Problem } from '../config/problems.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { CertificateExpiry } from '../telemetry/certificate-stats.ts'
import type { CertificateFault } from '../tls/server-context.ts'
import { AcmeService } from './acme-service.ts'
import { CertificateWatch } from './certificate-watch.ts'
import { describeCertificates } from './certificates.ts'
import type { Logger } from './log.ts'
import type { RunOptions } from './run-options.ts'

export interface ServedCertificatesOptions {
  readonly run: Pick<RunOptions, 'acme' | 'redisUrl'>
  readonly log: Logger
  /** What is served now, or null before the first. */
  snapshot(): Snapshot | null
  /** Material that could not be used when it was last looked at. */
  faults(): readonly CertificateFault[]
  /** The findings changed without a new configuration. */
  onChange(): void
}

/** The certificates of Gateway servers over time: their ends, and those that are ordered by ACME. */
export class ServedCertificates {
  readonly acme: AcmeService
  readonly #watch: CertificateWatch
  readonly #snapshot: () => Snapshot | null

  constructor(options: ServedCertificatesOptions) {
    const { run, log, onChange } = options
    this.#snapshot = () => options.snapshot()
    this.acme = new AcmeService({
      settings: run.acme ?? NO_ACME,
      redisUrl: run.redisUrl,
      log,
      onChange,
    })
    this.#watch = new CertificateWatch({
      certificates: () => this.described,
      faults: () => options.faults(),
      onChange,
      now: Date.now,
    })
  }

  /** Every certificate that is served, without its key. */
  get described(): readonly CertificateDescription[] {
    const snapshot = this.#snapshot()
    return snapshot === null ? [] : describeCertificates(snapshot, this.acme)
  }

  get problems(): readonly Problem[] {
    return [...this.#watch.problems, ...this.acme.problems]
  }

  /** For metrics. */
  get expiries(): readonly CertificateExpiry[] {
    return this.#watch.expiries
  }

  /** A new generation serves. Listeners answer what is pending; null: nothing is ordered. */
  follow(snapshot: Snapshot): PendingChallenges | null {
    const orders = this.acme.follow(snapshot)
    this.#watch.check()
    return orders ? this.acme.challenges : null
  }

  async close(): Promise<void> {
    this.#watch.close()
    await this.acme.close()
  }
}

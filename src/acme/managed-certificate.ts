import { hash, X509Certificate } from 'node:crypto'
import type { Random } from '../base/random.ts'
import { SecretText } from '../base/secret-text.ts'
import type { IssuedCertificate } from '../tls/issued-certificates.ts'
import { keyPairError } from '../tls/key-pair.ts'
import type { AcmeSource } from '../tls/plan.ts'
import type { StoredCertificate, StoredPair } from './acme-store.ts'
import { renewalTime } from './renewal-time.ts'

/** One certificate that is wanted, and how it stands. */
export class ManagedCertificate {
  readonly id: string
  source: AcmeSource
  /** What is served now, or null. */
  issued: IssuedCertificate | null
  notBeforeMs: number
  notAfterMs: number
  renewAtMs: number
  failures: number
  nextAttemptAtMs: number
  /** Why the last order failed, or ''. */
  error: string
  /** An order of this process runs. */
  ordering: boolean
  /** Grows whenever work under the lock ends: what was read before is out of date. */
  turns: number
  /** Another replica orders: it is looked after again at this time. */
  lockedUntilMs: number

  constructor(source: AcmeSource, directory: string) {
    this.id = certificateId(source.host, directory)
    this.source = source
    this.issued = null
    this.notBeforeMs = 0
    this.notAfterMs = 0
    this.renewAtMs = 0
    this.failures = 0
    this.nextAttemptAtMs = 0
    this.error = ''
    this.ordering = false
    this.turns = 0
    this.lockedUntilMs = 0
  }

  isDue(now: number): boolean {
    if (this.ordering || now < this.lockedUntilMs || now < this.nextAttemptAtMs) return false
    return this.issued === null || now >= this.renewAtMs
  }

  /**
   * Takes what the store knows; a newer certificate is served from now on, an older one, or one that
   * cannot be used, is not. False: the store knows less than this process.
   */
  adopt(stored: StoredCertificate | null, random: Random): boolean {
    if (stored !== null) {
      this.failures = stored.failures
      this.nextAttemptAtMs = stored.nextAttemptAtMs
      this.error = stored.error
    }
    const pair = stored?.pair ?? null
    if (pair === null) return this.issued === null
    if (this.issued !== null && this.issued.certificate === pair.certificate) return true
    return this.#serve(pair, random)
  }

  #serve(pair: StoredPair, random: Random): boolean {
    if (keyPairError(pair.certificate, pair.key) !== null) return this.issued === null
    const leaf = new X509Certificate(pair.certificate)
    if (leaf.checkHost(this.source.host) === undefined) return this.issued === null
    const notBeforeMs = leaf.validFromDate.getTime()
    const notAfterMs = leaf.validToDate.getTime()
    if (this.issued !== null && notAfterMs < this.notAfterMs) return false
    this.notBeforeMs = notBeforeMs
    this.notAfterMs = notAfterMs
    this.renewAtMs = renewalTime(this, random)
    const revision = (this.issued?.revision ?? 0) + 1
    this.issued = { certificate: pair.certificate, key: new SecretText(pair.key), revision }
    return true
  }

  get pair(): StoredPair | null {
    return this.issued === null
      ? null
      : { certificate: this.issued.certificate, key: this.issued.key.reveal() }
  }
}

/** Names a certificate in stores: the host for people, the rest to tell directories apart. */
export function certificateId(host: string, directory: string): string {
  return `${host}-${hash('sha256', directory).slice(0, 12)}`
}

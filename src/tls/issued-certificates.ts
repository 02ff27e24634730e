import type { SecretText } from '../base/secret-text.ts'
import type { AcmeSource } from './plan.ts'

/** A certificate as it was issued last. */
export interface IssuedCertificate {
  /** PEM, with the chain behind the leaf. */
  readonly certificate: string
  /** PEM. */
  readonly key: SecretText
  /** Grows with every new certificate of the host; never 0. */
  readonly revision: number
}

/** Where certificates that are ordered while the gateway runs are found. */
export interface IssuedCertificates {
  /** null: there is none yet. */
  find(source: AcmeSource): IssuedCertificate | null
}

/** Of a process that orders none. */
export const NONE_ISSUED: IssuedCertificates = { find: () => null }

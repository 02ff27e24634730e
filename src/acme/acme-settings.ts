import { LETS_ENCRYPT } from '../base/acme-directory.ts'

/** `--acme-*`: how certificates are ordered where a Gateway asks for it. */
export interface AcmeSettings {
  /** URL of the directory (RFC 8555 7.1.1) of Gateways that name none. */
  readonly directory: string
  /** Contact of accounts of Gateways that name none, or null. */
  readonly email: string | null
  /** A folder, Redis (that of `--redis`), or null: none was given and nothing is ordered. */
  readonly store: { readonly folder: string } | 'redis' | null
  /** PEM file with authorities that the ACME server's own certificate may come from, or null. */
  readonly caFile: string | null
  /** The terms of service of the ACME server are agreed to. */
  readonly termsAgreed: boolean
  /** External account binding (RFC 8555 7.3.4), or null. */
  readonly externalAccount: ExternalAccount | null
  readonly timing?: Partial<AcmeTiming>
}

export interface ExternalAccount {
  readonly keyId: string
  /** File with the HMAC key, base64url. */
  readonly keyFile: string
}

/** All in milliseconds. */
export interface AcmeTiming {
  /** How often the store is looked at. */
  readonly pollMs: number
  /** How long every replica has to see a challenge before the ACME server is told to look. */
  readonly spreadMs: number
  /** How often the ACME server is asked whether it is done. */
  readonly askMs: number
  /** An order that takes longer has failed. */
  readonly orderTimeoutMs: number
  /** Until the first attempt after a failed order; doubles each time, up to `backoffCapMs`. */
  readonly backoffMs: number
  readonly backoffCapMs: number
}

/**
 * Let's Encrypt lets five authorizations of a host fail per hour: with half of each wait left to
 * chance, at most five attempts fall into the first hour.
 */
export const DEFAULT_TIMING: AcmeTiming = {
  pollMs: 1000,
  spreadMs: 3000,
  askMs: 2000,
  orderTimeoutMs: 5 * 60 * 1000,
  backoffMs: 10 * 60 * 1000,
  backoffCapMs: 12 * 60 * 60 * 1000,
}

export const NO_ACME: AcmeSettings = {
  directory: LETS_ENCRYPT,
  email: null,
  store: null,
  caFile: null,
  termsAgreed: false,
  externalAccount: null,
}

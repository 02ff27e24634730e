import type { PendingChallenge } from '../base/pending-challenges.ts'

/** A certificate with its key, both PEM. */
export interface StoredPair {
  readonly certificate: string
  readonly key: string
}

/** What all replicas know of one certificate. */
export interface StoredCertificate {
  /** null: none was issued yet. */
  readonly pair: StoredPair | null
  /** Orders that failed since the last that did not. */
  readonly failures: number
  /** No replica orders before, milliseconds since the epoch. */
  readonly nextAttemptAtMs: number
  /** Why the last order failed, or ''. */
  readonly error: string
}

/** A challenge, and until when it may be asked for (milliseconds since the epoch). */
export interface StoredChallenge extends PendingChallenge {
  readonly expiresAtMs: number
}

/** Challenges that are looked at; there are as many as orders run at once. */
export const MAX_CHALLENGES = 1000

/** What a look at the store costs once a second. */
export interface StoreGlance {
  /** Another text: certificates changed. */
  readonly revision: string
  readonly challenges: readonly StoredChallenge[]
}

/** The right to order one certificate, for as long as it is extended. */
export interface OrderLock {
  /** False: it is lost, somebody else may order. */
  extend(leaseMs: number): Promise<boolean>
  /** Writes what is known of the certificate. False: the lock is lost and nothing was written. */
  save(certificate: StoredCertificate): Promise<boolean>
  release(): Promise<void>
}

/**
 * Account keys, certificates, attempts and pending challenges, shared by every replica that has the
 * same store. Every method may reject: the store is away then.
 */
export interface AcmeStore {
  /** For people, without credentials. */
  readonly name: string
  glance(): Promise<StoreGlance>
  /** In the order of `ids`; null: nothing is known. */
  read(ids: readonly string[]): Promise<readonly (StoredCertificate | null)[]>
  /** null: another replica orders this certificate. */
  lock(id: string, leaseMs: number): Promise<OrderLock | null>
  /** The account key (PEM) under the id; `create` makes one where there is none, the first wins. */
  accountKey(id: string, create: () => Promise<string>): Promise<string>
  present(challenge: StoredChallenge): Promise<void>
  withdraw(token: string): Promise<void>
  close(): Promise<void>
}

import type { PendingChallenge } from '../base/pending-challenges.ts'
import type { AcmeSource } from '../tls/plan.ts'
import type { StoredPair } from './acme-store.ts'

/** Where challenges are shown to every replica. */
export interface ChallengeBoard {
  present(challenge: PendingChallenge): Promise<void>
  withdraw(token: string): Promise<void>
}

/** Whoever gets a certificate for a host. */
export interface CertificateIssuer {
  /** Rejects with a message for people; ends soon after `signal` is aborted. */
  issue(source: AcmeSource, board: ChallengeBoard, signal: AbortSignal): Promise<StoredPair>
}

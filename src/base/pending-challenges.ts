import type { SecretText } from './secret-text.ts'

/** What a host has to show while its certificate is ordered (RFC 8555 8.3, RFC 8737). */
export interface PendingChallenge {
  /** base64url, as the ACME server chose it. */
  readonly token: string
  /** Lower-case. */
  readonly host: string
  /** The token with the thumbprint of the account key behind it. */
  readonly keyAuthorization: string
  /** What is shown in a handshake for `acme-tls/1`; null: the challenge is answered over HTTP. */
  readonly handshake: ChallengeCertificate | null
}

export interface ChallengeCertificate {
  /** PEM. */
  readonly certificate: string
  readonly key: SecretText
}

const PATH = '/.well-known/acme-challenge/'

/** Challenges that ACME servers may ask for at this moment, whoever ordered. */
export class PendingChallenges {
  readonly #byToken = new Map<string, PendingChallenge>()
  readonly #byHost = new Map<string, ChallengeCertificate>()

  replace(all: readonly PendingChallenge[]): void {
    this.#byToken.clear()
    this.#byHost.clear()
    for (const challenge of all) {
      if (challenge.handshake === null) this.#byToken.set(challenge.token, challenge)
      else this.#byHost.set(challenge.host, challenge.handshake)
    }
  }

  /** The body that is asked for with `GET http://<host><path>`, or null: no pending challenge. */
  answer(host: string, path: string): string | null {
    if (this.#byToken.size === 0 || !path.startsWith(PATH)) return null
    const challenge = this.#byToken.get(path.slice(PATH.length))
    return challenge === undefined || challenge.host !== host ? null : challenge.keyAuthorization
  }

  /** What to show to a client that offers `acme-tls/1` for the name, or null. */
  certificateFor(serverName: string): ChallengeCertificate | null {
    return this.#byHost.size === 0 ? null : (this.#byHost.get(serverName) ?? null)
  }
}

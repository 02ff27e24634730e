import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { rootCertificates } from 'node:tls'
import type * as library from 'acme-client'
import type { Authorization, Client, Order } from 'acme-client'
import { SecretText } from '../base/secret-text.ts'
import { keyPairError } from '../tls/key-pair.ts'
import type { AcmeSource } from '../tls/plan.ts'
import type { AcmeSettings, AcmeTiming } from './acme-settings.ts'
import type { StoredPair } from './acme-store.ts'
import type { CertificateIssuer, ChallengeBoard } from './certificate-issuer.ts'
import { pause } from './pause.ts'

type AcmeLibrary = typeof library
type Challenge = Authorization['challenges'][number]

/** One request to the ACME server takes no longer. */
const REQUEST_TIMEOUT_MS = 30_000
/** Directories, orders and chains are a few kilobytes. */
const MAX_ANSWER_BYTES = 1024 * 1024
/** Clients that are kept: one for each directory and contact. */
const MAX_CLIENTS = 32

export interface AcmeClientIssuerOptions {
  readonly settings: AcmeSettings
  readonly timing: AcmeTiming
  /** As AcmeStore.accountKey. */
  accountKey(id: string, create: () => Promise<string>): Promise<string>
}

/**
 * Orders certificates with the library `acme-client`, which is loaded when the first is ordered. One
 * account per directory and contact; keys of accounts and certificates are ECDSA P-256.
 */
export class AcmeClientIssuer implements CertificateIssuer {
  readonly #options: AcmeClientIssuerOptions
  readonly #clients = new Map<string, Client>()
  #library: AcmeLibrary | null = null

  constructor(options: AcmeClientIssuerOptions) {
    this.#options = options
  }

  async issue(source: AcmeSource, board: ChallengeBoard, signal: AbortSignal): Promise<StoredPair> {
    const acme = await this.#load()
    const account = accountOf(source, this.#options.settings)
    try {
      const client = await this.#clientOf(acme, account)
      signal.throwIfAborted()
      return await new OneOrder({ acme, client, source, board, signal, ...this.#options }).run()
    } catch (error) {
      // The account may be gone: the next attempt asks for it again.
      this.#clients.delete(account.id)
      throw error
    }
  }

  /** Retries of its own would hide failures; those of the caller are bounded and seen. */
  async #load(): Promise<AcmeLibrary> {
    if (this.#library !== null) return this.#library
    const acme = await import('acme-client')
    const { caFile } = this.#options.settings
    const ca = caFile === null ? null : [...rootCertificates, readFileSync(caFile, 'utf8')]
    Object.assign(acme.axios.defaults, {
      timeout: REQUEST_TIMEOUT_MS,
      maxContentLength: MAX_ANSWER_BYTES,
      ...(ca === null ? {} : { httpsAgent: new Agent({ ca }) }),
      acmeSettings: { retryMaxAttempts: 0, retryDefaultDelay: 1 },
    })
    this.#library = acme
    return acme
  }

  async #clientOf(acme: AcmeLibrary, account: Account): Promise<Client> {
    const known = this.#clients.get(account.id)
    if (known !== undefined) return known
    const { settings } = this.#options
    const key = await this.#options.accountKey(account.id, async () =>
      (await acme.crypto.createPrivateEcdsaKey('P-256')).toString('latin1'),
    )
    const external = settings.externalAccount
    const client = new acme.Client({
      directoryUrl: account.directory,
      accountKey: key,
      ...(external === null
        ? {}
        : {
            externalAccountBinding: {
              kid: external.keyId,
              hmacKey: readFileSync(external.keyFile, 'utf8').trim(),
            },
          }),
    })
    const terms = await client.getTermsOfServiceUrl()
    if (terms && !settings.termsAgreed) {
      throw new Error(
        `the terms of service (${terms}) are not agreed to: read them and give --acme-accept-terms`,
      )
    }
    await client.createAccount({
      ...(settings.termsAgreed ? { termsOfServiceAgreed: true } : {}),
      ...(account.email === null ? {} : { contact: [`mailto:${account.email}`] }),
    })
    if (this.#clients.size >= MAX_CLIENTS) this.#clients.clear()
    this.#clients.set(account.id, client)
    return client
  }
}

interface Account {
  readonly id: string
  readonly directory: string
  readonly email: string | null
}

function accountOf(source: AcmeSource, settings: AcmeSettings): Account {
  const directory = source.directory ?? settings.directory
  const email = source.email ?? settings.email
  return { id: hash('sha256', `${directory}\n${email ?? ''}`).slice(0, 32), directory, email }
}

interface OrderParts {
  readonly acme: AcmeLibrary
  readonly client: Client
  readonly source: AcmeSource
  readonly board: ChallengeBoard
  readonly signal: AbortSignal
  readonly timing: AcmeTiming
}

/** RFC 8555 7.4: order, authorizations, finalization, download. */
class OneOrder {
  readonly #parts: OrderParts

  constructor(parts: OrderParts) {
    this.#parts = parts
  }

  async run(): Promise<StoredPair> {
    const { acme, client, source, signal } = this.#parts
    const order = await client.createOrder({ identifiers: [{ type: 'dns', value: source.host }] })
    for (const authorization of await client.getAuthorizations(order)) {
      signal.throwIfAborted()
      if (authorization.status !== 'valid') await this.#authorize(order, authorization)
    }
    const ready = await this.#until(order, (one) => one.status !== 'pending')
    const key = await acme.crypto.createPrivateEcdsaKey('P-256')
    const [, request] = await acme.crypto.createCsr({ altNames: [source.host] }, key)
    if (ready.status === 'ready') await client.finalizeOrder(ready, request)
    const done = await this.#until(
      order,
      ({ status }) => status === 'valid' || status === 'invalid',
    )
    if (done.status !== 'valid') throw new Error(`the order is ${done.status}${reasonOf(done)}`)
    const certificate = await client.getCertificate(done)
    const pair = { certificate, key: key.toString('latin1') }
    const wrong = keyPairError(pair.certificate, pair.key)
    if (wrong !== null) throw new Error(`what the ACME server issued cannot be used: ${wrong}`)
    return pair
  }

  async #authorize(order: Order, authorization: Authorization): Promise<void> {
    const { client, source, board, signal, timing } = this.#parts
    const offered = authorization.challenges
    const challenge = offered.find(({ type }) => type === source.challenge)
    if (challenge === undefined) {
      const types = offered.map(({ type }) => type).join(', ')
      throw new Error(`the ACME server offers no ${source.challenge} challenge, only ${types}`)
    }
    await this.#present(authorization, challenge)
    try {
      await pause(timing.spreadMs, signal)
      await client.completeChallenge(challenge)
      const judged = await this.#judged(order, authorization.url)
      if (judged.status === 'valid') return
      const why = judged.challenges.map(reasonOf).find((reason) => reason !== '') ?? ''
      throw new Error(`the ${source.challenge} challenge is ${judged.status}${why}`)
    } finally {
      await board.withdraw(challenge.token).catch(() => undefined)
    }
  }

  async #present(authorization: Authorization, challenge: Challenge): Promise<void> {
    const { acme, client, source, board } = this.#parts
    const keyAuthorization = await client.getChallengeKeyAuthorization(challenge)
    const common = { token: challenge.token, host: source.host, keyAuthorization }
    if (source.challenge === 'http-01') {
      await board.present({ ...common, handshake: null })
      return
    }
    const own = await acme.crypto.createPrivateEcdsaKey('P-256')
    const [key, certificate] = await acme.crypto.createAlpnCertificate(
      authorization,
      keyAuthorization,
      own,
    )
    const handshake = {
      certificate: certificate.toString('latin1'),
      key: new SecretText(key.toString('latin1')),
    }
    await board.present({ ...common, handshake })
  }

  /** Bounded by the signal, which the order's deadline aborts. */
  async #judged(order: Order, url: string): Promise<Authorization> {
    const { client, signal, timing } = this.#parts
    for (;;) {
      const all = await client.getAuthorizations(order)
      const one = all.find((authorization) => authorization.url === url)
      if (one !== undefined && one.status !== 'pending') return one
      await pause(timing.askMs, signal)
    }
  }

  async #until(order: Order, settled: (order: Order) => boolean): Promise<Order> {
    const { client, signal, timing } = this.#parts
    for (;;) {
      const now = await client.getOrder(order)
      if (settled(now)) return now
      await pause(timing.askMs, signal)
    }
  }
}

/** The detail of an RFC 7807 problem that an order or a challenge carries, or ''. */
function reasonOf(object: { readonly error?: unknown }): string {
  const { error } = object
  if (typeof error !== 'object' || error === null || !('detail' in error)) return ''
  return `: ${String(error.detail)}`
}

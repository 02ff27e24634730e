import { backoffMs } from '../base/backoff.ts'
import type { PendingChallenges } from '../base/pending-challenges.ts'
import type { Random } from '../base/random.ts'
import type { IssuedCertificate, IssuedCertificates } from '../tls/issued-certificates.ts'
import type { AcmeSource } from '../tls/plan.ts'
import type { AcmeTiming } from './acme-settings.ts'
import type { AcmeStore, OrderLock, StoredCertificate, StoredPair } from './acme-store.ts'
import type { CertificateIssuer, ChallengeBoard } from './certificate-issuer.ts'
import { certificateId, ManagedCertificate } from './managed-certificate.ts'

/** Certificates beyond this many are not ordered. */
export const MAX_CERTIFICATES = 1000
/** Orders of this process that run at once. */
const MAX_ORDERS = 4
/** A replica that is gone holds its lock no longer. */
const LEASE_MS = 60_000
const EXTEND_MS = LEASE_MS / 4
/** While another replica orders, its lock is tried this often. */
const LOCKED_PAUSE_MS = 5000
/** What an ACME server says is kept up to this length. */
const MAX_ERROR_LENGTH = 500

export interface CertificateOrdersOptions {
  readonly store: AcmeStore
  readonly issuer: CertificateIssuer
  readonly timing: AcmeTiming
  /** Directory of sources that name none. */
  readonly directory: string
  /** Where listeners find what they have to answer. */
  readonly challenges: PendingChallenges
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly random: Random
  onEvent(event: OrderEvent): void
}

export type OrderResult = 'issued' | 'failed' | 'lost'

/** Something people should know of. */
export interface OrderEvent {
  readonly type: 'ordering' | 'served' | 'failed' | 'lost' | 'store-away' | 'store-back'
  readonly host: string
  readonly message: string
}

/**
 * Keeps a certificate for every wanted host: looks at the store, orders what is missing or due under
 * a lock that all replicas share, and serves what any of them was issued.
 */
export class CertificateOrders implements IssuedCertificates {
  readonly #options: CertificateOrdersOptions
  readonly #wanted = new Map<string, ManagedCertificate>()
  readonly #results = new Map<OrderResult, number>()
  readonly #ended = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | null = null
  #turn: Promise<void> = Promise.resolve()
  #revision: string | null = null
  #storeError = ''
  #dropped = 0

  constructor(options: CertificateOrdersOptions) {
    this.#options = options
  }

  /** Certificates for exactly these hosts from now on. What is still served stays. */
  want(sources: readonly AcmeSource[]): void {
    const wanted = new Map<string, ManagedCertificate>()
    this.#dropped = 0
    for (const source of sources) {
      const directory = source.directory ?? this.#options.directory
      const id = certificateId(source.host, directory)
      if (wanted.has(id)) continue
      if (wanted.size >= MAX_CERTIFICATES) {
        this.#dropped++
        continue
      }
      const known = this.#wanted.get(id) ?? new ManagedCertificate(source, directory)
      known.source = source
      wanted.set(id, known)
      if (!this.#wanted.has(id)) this.#revision = null
    }
    this.#wanted.clear()
    for (const [id, one] of wanted) this.#wanted.set(id, one)
  }

  find(source: AcmeSource): IssuedCertificate | null {
    return this.managed(source)?.issued ?? null
  }

  managed(source: AcmeSource): ManagedCertificate | null {
    const id = certificateId(source.host, source.directory ?? this.#options.directory)
    return this.#wanted.get(id) ?? null
  }

  get certificates(): readonly ManagedCertificate[] {
    return [...this.#wanted.values()]
  }

  /** Why the store could not be used when it was last looked at, or ''. */
  get storeError(): string {
    return this.#storeError
  }

  /** Certificates that are wanted beyond MAX_CERTIFICATES. */
  get dropped(): number {
    return this.#dropped
  }

  get results(): ReadonlyMap<OrderResult, number> {
    return this.#results
  }

  /** Looks and orders from now on, for as long as anything is wanted. */
  start(): void {
    if (this.#timer !== null || this.#ended.signal.aborted) return
    this.#schedule(0)
  }

  #schedule(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#turn = this.look().finally(() => {
        if (this.#ended.signal.aborted || this.#wanted.size === 0) {
          this.#timer = null
          this.#options.challenges.replace([])
        } else this.#schedule(this.#options.timing.pollMs)
      })
    }, ms)
    this.#timer.unref()
  }

  /** One look at the store, and orders that are due. */
  async look(): Promise<void> {
    if (await this.load()) this.#orderDue()
  }

  /** Challenges and certificates as the store has them. False: it could not be asked. */
  async load(): Promise<boolean> {
    try {
      const { challenges, revision } = await this.#options.store.glance()
      const now = this.#options.now()
      this.#options.challenges.replace(challenges.filter((one) => one.expiresAtMs > now))
      if (revision !== this.#revision) {
        this.#revision = revision
        await this.#readAll()
      }
      this.#storeIs('')
      return true
    } catch (error) {
      this.#revision = null
      this.#storeIs(messageOf(error))
      return false
    }
  }

  async #readAll(): Promise<void> {
    const all = this.certificates
    const turns = all.map((one) => one.turns)
    const stored = await this.#options.store.read(all.map(({ id }) => id))
    for (const [index, one] of all.entries()) {
      // Who holds the lock knows more than was read.
      if (one.ordering || one.turns !== turns[index]) continue
      const before = one.issued
      const known = one.adopt(stored[index] ?? null, this.#options.random)
      if (one.issued !== before) this.#served(one)
      // A store that lost what is served gets it back, from whoever is first.
      if (!known) this.#run(one, (lock) => this.#writeBack(one, lock))
    }
  }

  #orderDue(): void {
    for (const one of this.#wanted.values()) {
      if (this.#running.size >= MAX_ORDERS) return
      if (one.isDue(this.#options.now())) this.#run(one, (lock) => this.#order(one, lock))
    }
  }

  /** Does `work` under the lock of the certificate; nothing when another replica has it. */
  #run(one: ManagedCertificate, work: (lock: OrderLock) => Promise<void>): void {
    if (one.ordering || this.#ended.signal.aborted) return
    one.ordering = true
    const running = this.#underLock(one, work)
      .catch((error: unknown) => this.#storeIs(messageOf(error)))
      .finally(() => {
        one.ordering = false
        one.turns++
        this.#revision = null
        this.#running.delete(running)
      })
    this.#running.add(running)
  }

  async #underLock(
    one: ManagedCertificate,
    work: (lock: OrderLock) => Promise<void>,
  ): Promise<void> {
    const lock = await this.#options.store.lock(one.id, LEASE_MS)
    if (lock === null) {
      one.lockedUntilMs = this.#options.now() + LOCKED_PAUSE_MS
      return
    }
    try {
      await work(lock)
    } finally {
      await lock.release()
    }
  }

  async #writeBack(one: ManagedCertificate, lock: OrderLock): Promise<void> {
    const [stored] = await this.#options.store.read([one.id])
    if (!one.adopt(stored ?? null, this.#options.random)) await lock.save(recordOf(one))
  }

  async #order(one: ManagedCertificate, lock: OrderLock): Promise<void> {
    const { store, random, now } = this.#options
    const [stored] = await store.read([one.id])
    const before = one.issued
    one.adopt(stored ?? null, random)
    if (one.issued !== before) this.#served(one)
    one.ordering = false
    const due = one.isDue(now())
    one.ordering = true
    if (!due) return
    this.#event('ordering', one, `ordering a certificate by ${one.source.challenge}`)
    let record: StoredCertificate
    try {
      const pair = await this.#issue(one, lock)
      // Even one that is due at once is not ordered again at once.
      const nextAttemptAtMs = now() + this.#options.timing.backoffMs
      record = { pair, failures: 0, nextAttemptAtMs, error: '' }
      // Served at once: should the store be away now, it is written there later.
      one.adopt(record, random)
      if (one.issued?.certificate !== pair.certificate) {
        throw new Error(`the issued certificate is not for ${one.source.host}, or ends too soon`)
      }
    } catch (error) {
      if (!this.#ended.signal.aborted) await this.#failed(one, lock, messageOf(error))
      return
    }
    this.#served(one)
    const saved = await lock.save(record)
    this.#count(saved ? 'issued' : 'lost')
    if (!saved) this.#event('lost', one, 'the order took so long that another replica ordered too')
  }

  async #issue(one: ManagedCertificate, lock: OrderLock): Promise<StoredPair> {
    const { timing, issuer } = this.#options
    const lost = new AbortController()
    const late = new AbortController()
    const deadline = setTimeout(
      () => late.abort(new Error(`the order took longer than ${timing.orderTimeoutMs / 1000} s`)),
      timing.orderTimeoutMs,
    )
    const extending = setInterval(() => {
      lock.extend(LEASE_MS).then(
        (held) => {
          if (!held) lost.abort(new Error('the lock of the order was lost'))
        },
        // The next one may come in time.
        () => undefined,
      )
    }, EXTEND_MS)
    const signal = AbortSignal.any([lost.signal, late.signal, this.#ended.signal])
    try {
      return await orAborted(issuer.issue(one.source, this.#board(), signal), signal)
    } finally {
      clearTimeout(deadline)
      clearInterval(extending)
    }
  }

  #board(): ChallengeBoard {
    const { store, now, timing } = this.#options
    return {
      present: (challenge) =>
        store.present({ ...challenge, expiresAtMs: now() + timing.orderTimeoutMs }),
      withdraw: (token) => store.withdraw(token),
    }
  }

  async #failed(one: ManagedCertificate, lock: OrderLock, message: string): Promise<void> {
    const { now, random, timing } = this.#options
    const wait = backoffMs(one.failures, timing.backoffMs, timing.backoffCapMs, random)
    one.failures++
    one.nextAttemptAtMs = Math.round(now() + wait)
    one.error = message.slice(0, MAX_ERROR_LENGTH)
    this.#count('failed')
    this.#event('failed', one, `no certificate could be ordered: ${one.error}`)
    await lock.save(recordOf(one))
  }

  #served(one: ManagedCertificate): void {
    const end = new Date(one.notAfterMs).toISOString()
    this.#event('served', one, `certificate is served, good until ${end}`)
  }

  #count(result: OrderResult): void {
    this.#results.set(result, (this.#results.get(result) ?? 0) + 1)
  }

  #event(type: OrderEvent['type'], { source }: ManagedCertificate, message: string): void {
    this.#options.onEvent({ type, host: source.host, message })
  }

  #storeIs(error: string): void {
    const before = this.#storeError
    this.#storeError = error
    if (before === error || this.#ended.signal.aborted) return
    const message =
      error === ''
        ? `${this.#options.store.name} can be used again`
        : `${this.#options.store.name} cannot be used: ${error}`
    this.#options.onEvent({ type: error === '' ? 'store-back' : 'store-away', host: '', message })
  }

  /** Orders that run are broken off, without counting as failed. */
  async close(): Promise<void> {
    this.#ended.abort(new Error('the gateway ends'))
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#turn
    await Promise.all(this.#running)
    await this.#options.store.close()
  }
}

function recordOf(one: ManagedCertificate): StoredCertificate {
  const { pair, failures, nextAttemptAtMs, error } = one
  return { pair, failures, nextAttemptAtMs, error }
}

/** What goes on behind an abort is nobody's concern any more. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(reasonOf(signal))
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

function reasonOf({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new Error('broken off')
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message !== '') return error.message
  // A host with several addresses, none of which answers, has a code and no message.
  return 'code' in error ? String(error.code) : 'no reason was given'
}

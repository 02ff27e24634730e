import { parseRedisUrl } from '../../plugins/rate-limit/topology.ts'
import { connectScripts } from '../../plugins/rate-limit/redis-scripts.ts'
import { AcmeClientIssuer } from '../acme/acme-client-issuer.ts'
import { type AcmeSettings, DEFAULT_TIMING } from '../acme/acme-settings.ts'
import type { AcmeStore } from '../acme/acme-store.ts'
import { CertificateOrders, type OrderEvent } from '../acme/certificate-orders.ts'
import { FolderStore } from '../acme/folder-store.ts'
import type { ManagedCertificate } from '../acme/managed-certificate.ts'
import { RedisStore } from '../acme/redis-store.ts'
import type { OrderDescription } from '../admin/admin-state.ts'
import { PendingChallenges } from '../base/pending-challenges.ts'
import type { Problem } from '../config/problems.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { AcmeCounts } from '../telemetry/acme-stats.ts'
import type { IssuedCertificate, IssuedCertificates } from '../tls/issued-certificates.ts'
import type { AcmeSource } from '../tls/plan.ts'
import { type AcmeUse, acmeProblems } from './acme-problems.ts'
import type { Logger } from './log.ts'

/** A start waits no longer for certificates that were issued before. */
const FIRST_LOOK_MS = 3000

export interface AcmeServiceOptions {
  readonly settings: AcmeSettings
  /** That of `--redis`, or null. */
  readonly redisUrl: string | null
  readonly log: Logger
  /** Problems changed without a new configuration. */
  onChange(): void
}

/** Orders the certificates that Gateways of the snapshot ask for; idle until one does. */
export class AcmeService implements IssuedCertificates {
  readonly challenges = new PendingChallenges()
  readonly #options: AcmeServiceOptions
  #orders: CertificateOrders | null = null
  #uses: readonly AcmeUse[] = []

  constructor(options: AcmeServiceOptions) {
    this.#options = options
  }

  /** Certificates that were issued before are there when this resolves, if their store answers. */
  async prepare(snapshot: Snapshot): Promise<void> {
    this.#want(snapshot)
    if (this.#orders === null || this.#uses.length === 0) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FIRST_LOOK_MS)
    })
    await Promise.race([this.#orders.load(), late])
    clearTimeout(timer)
  }

  /** Orders what the snapshot asks for. True: listeners may have to answer challenges. */
  follow(snapshot: Snapshot): boolean {
    this.#want(snapshot)
    if (this.#orders === null || this.#uses.length === 0) return false
    this.#orders.start()
    return true
  }

  find(source: AcmeSource): IssuedCertificate | null {
    return this.#orders === null ? null : this.#orders.find(source)
  }

  get problems(): readonly Problem[] {
    return acmeProblems(this.#uses, this.#orders, this.#options.settings)
  }

  /** Every wanted certificate and how it stands. */
  get orders(): readonly ManagedCertificate[] {
    return this.#orders === null ? [] : this.#orders.certificates
  }

  get counts(): AcmeCounts {
    return this.#orders === null ? new Map() : this.#orders.results
  }

  /** How the order of a certificate stands. */
  describe(source: AcmeSource): OrderDescription {
    const { settings } = this.#options
    const directory = source.directory ?? settings.directory
    const fixed = { directory, challenge: source.challenge }
    const one = this.#orders?.managed(source) ?? null
    if (one === null) {
      return { ...fixed, state: 'not-ordered', renewAt: '', nextAttemptAt: '', lastError: '' }
    }
    return {
      ...fixed,
      state: stateOf(one),
      renewAt: one.issued === null ? '' : iso(one.renewAtMs),
      nextAttemptAt: one.error === '' ? '' : iso(one.nextAttemptAtMs),
      lastError: one.error,
    }
  }

  async close(): Promise<void> {
    await this.#orders?.close()
  }

  #want(snapshot: Snapshot): void {
    this.#uses = acmeUses(snapshot)
    if (this.#uses.length > 0) this.#orders ??= this.#createOrders()
    this.#orders?.want(this.#uses.map(({ source }) => source))
  }

  /** null: no store is given. */
  #createOrders(): CertificateOrders | null {
    const { settings } = this.#options
    const store = this.#createStore()
    if (store === null) return null
    const timing = { ...DEFAULT_TIMING, ...settings.timing }
    const issuer = new AcmeClientIssuer({
      settings,
      timing,
      accountKey: (id, create) => store.accountKey(id, create),
    })
    return new CertificateOrders({
      store,
      issuer,
      timing,
      directory: settings.directory,
      challenges: this.challenges,
      now: Date.now,
      random: Math.random,
      onEvent: (event) => this.#report(event),
    })
  }

  #createStore(): AcmeStore | null {
    const { settings, redisUrl, log } = this.#options
    if (settings.store === null) return null
    if (settings.store !== 'redis') return new FolderStore(settings.store.folder, Date.now)
    if (redisUrl === null) return null
    const topology = parseRedisUrl(redisUrl)
    const scripts = connectScripts(topology, 'tidegate-acme', (error) => {
      log.debug(`ACME store: ${error.message}`)
    })
    return new RedisStore(scripts, topology.prefix)
  }

  #report({ type, host, message }: OrderEvent): void {
    const { log, onChange } = this.#options
    const level = LEVELS[type]
    log[level](host === '' ? `ACME: ${message}` : `ACME: ${host}: ${message}`)
    onChange()
  }
}

const LEVELS = {
  ordering: 'info',
  served: 'info',
  failed: 'warn',
  lost: 'warn',
  'store-away': 'warn',
  'store-back': 'info',
} as const

function acmeUses(snapshot: Snapshot): readonly AcmeUse[] {
  const uses = new Map<string, AcmeUse>()
  for (const { accept } of snapshot.listeners) {
    if (accept.type !== 'tls') continue
    for (const chain of accept.chains.all) {
      for (const source of chain.tls.certificates) {
        if (source.kind !== 'acme') continue
        uses.set(`${chain.gateway} ${source.name}`, { source, gateway: chain.gateway })
      }
    }
  }
  return [...uses.values()]
}

function stateOf(one: ManagedCertificate): OrderDescription['state'] {
  if (one.ordering) return 'ordering'
  if (one.error !== '') return 'failed'
  return one.issued === null ? 'pending' : 'valid'
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

import { constants, hash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext, DEFAULT_CIPHERS, type SecureContext } from 'node:tls'
import { type IssuedCertificates, NONE_ISSUED } from './issued-certificates.ts'
import { expiryNotice, keyPairError } from './key-pair.ts'
import type {
  AcmeSource,
  CertificateSource,
  ClientVerification,
  ServerCertificateSource,
  ServerTlsPlan,
  TrustSource,
} from './plan.ts'
import { authoritiesOf, revocationListsOf, trustName } from './trust.ts'

/** Files of a certificate are looked at again at most this often, when a handshake needs them. */
const FILE_CHECK_INTERVAL_MS = 1000
/** Last good pairs, and contexts, that are kept. */
export const MAX_KEPT = 1000

interface Pair {
  readonly certificate: string
  readonly key: string
}

interface Trust {
  readonly ca: readonly string[]
  readonly crl: readonly string[]
}

interface Entry {
  context: SecureContext | null
  /** Modification times of files, revisions of what is issued; '' for PEM sources. */
  stamp: string
  /** Files are looked at now and then, what is issued every time. */
  readonly readsFiles: boolean
  checkedAtMs: number
}

/** Material that cannot be used now. */
export interface CertificateFault {
  /** `kubernetes://ns/name` or `file://path`. */
  readonly source: string
  readonly message: string
}

/**
 * Server-side secure contexts by plan. A context is made at first need; files are re-read when they
 * change, and a broken new version leaves the last good one serving, also under the plans of later
 * configurations. Plans with equal material share a context; those with other client certificate
 * rules never do, so that no session is resumed from one into the other.
 */
export class ServerContexts {
  readonly #entries = new WeakMap<ServerTlsPlan, Entry>()
  readonly #byContent = new Map<string, SecureContext>()
  /** By certificate and key file, or by Secret. */
  readonly #lastGood = new Map<string, Pair>()
  readonly #lastTrust = new Map<string, readonly string[]>()
  readonly #faults = new Map<string, string>()
  readonly #onProblem: (message: string) => void
  readonly #now: () => number

  readonly #issued: IssuedCertificates

  constructor(options: {
    onProblem: (message: string) => void
    now?: () => number
    issued?: IssuedCertificates
  }) {
    this.#onProblem = options.onProblem
    this.#issued = options.issued ?? NONE_ISSUED
    this.#now = options.now ?? Date.now
  }

  /** What could not be used when it was last looked at. */
  get faults(): readonly CertificateFault[] {
    return [...this.#faults].map(([source, message]) => ({ source, message }))
  }

  /** The context to answer a handshake with, or null: no usable certificate, refuse. */
  contextFor(plan: ServerTlsPlan): SecureContext | null {
    const entry = this.#entries.get(plan)
    if (entry === undefined) return this.#load(plan, null)
    if (entry.stamp === '') return entry.context
    const waits = entry.readsFiles && this.#now() - entry.checkedAtMs < FILE_CHECK_INTERVAL_MS
    if (waits) return entry.context
    entry.checkedAtMs = this.#now()
    if (stampOf(plan, this.#issued) === entry.stamp) return entry.context
    return this.#load(plan, entry)
  }

  /** Forgets faults of material that no plan names any more. */
  keepFaultsOf(plans: readonly ServerTlsPlan[]): void {
    const named = new Set(plans.flatMap(sourceNames))
    for (const source of this.#faults.keys()) {
      if (!named.has(source)) this.#faults.delete(source)
    }
  }

  #load(plan: ServerTlsPlan, previous: Entry | null): SecureContext | null {
    const stamp = stampOf(plan, this.#issued)
    const context = this.#create(plan) ?? (previous === null ? null : previous.context)
    const readsFiles = filesOf(plan).length > 0
    this.#entries.set(plan, { context, stamp, readsFiles, checkedAtMs: this.#now() })
    return context
  }

  #create(plan: ServerTlsPlan): SecureContext | null {
    const pairs = this.#readPairs(plan.certificates)
    const trust = plan.client === undefined ? NO_TRUST : this.#readTrust(plan.client)
    if (pairs === null || trust === null) return null
    const content = contentOf(plan, pairs, trust)
    const known = this.#byContent.get(content)
    if (known !== undefined) return known
    const first = plan.certificates[0]!.name
    try {
      const context = createContext(plan, pairs, trust)
      remember(this.#byContent, content, context)
      return context
    } catch (error) {
      this.#fault(first, `TLS settings refused: ${messageOf(error)}`)
      return null
    }
  }

  #readPairs(sources: readonly ServerCertificateSource[]): readonly Pair[] | null {
    const pairs: Pair[] = []
    for (const source of sources) {
      const pair = source.kind === 'acme' ? this.#issuedPair(source) : this.#goodPair(source)
      if (pair === null) return null
      pairs.push(pair)
    }
    return pairs.length === 0 ? null : pairs
  }

  /** Why there is none is told by whoever orders them. */
  #issuedPair(source: AcmeSource): Pair | null {
    const issued = this.#issued.find(source)
    return issued === null ? null : { certificate: issued.certificate, key: issued.key.reveal() }
  }

  #goodPair(source: CertificateSource): Pair | null {
    const id = source.kind === 'files' ? `${source.certificate}\0${source.key}` : source.name
    const pair = readPair(source)
    const error = typeof pair === 'string' ? pair : keyPairError(pair.certificate, pair.key)
    if (typeof pair !== 'string' && error === null) {
      const notice = expiryNotice(pair.certificate, this.#now())
      if (notice !== null) this.#onProblem(`certificate ${source.name}: ${notice}`)
      this.#faults.delete(source.name)
      remember(this.#lastGood, id, pair)
      return pair
    }
    this.#fault(source.name, error ?? '', source.kind === 'files')
    return this.#lastGood.get(id) ?? null
  }

  /** null: a client could not be verified as was asked for, so nobody is let in. */
  #readTrust({ ca, crl, acceptsUntrusted }: ClientVerification): Trust | null {
    const authorities = ca === null ? [] : this.#goodTrust(ca, authoritiesOf)
    const lists = crl === null ? [] : this.#goodTrust(crl, revocationListsOf)
    if (authorities === null || lists === null) return null
    if (authorities.length === 0 && !acceptsUntrusted) return null
    return { ca: authorities, crl: lists }
  }

  #goodTrust(
    source: TrustSource,
    read: (source: TrustSource) => readonly string[],
  ): readonly string[] | null {
    const name = trustName(source)
    const id = `${read.name}\0${name}`
    try {
      const texts = read(source)
      this.#faults.delete(name)
      remember(this.#lastTrust, id, texts)
      return texts
    } catch (error) {
      this.#fault(name, messageOf(error))
      return this.#lastTrust.get(id) ?? null
    }
  }

  /** Pairs of Secrets are judged, and reported, when they are compiled. */
  #fault(source: string, message: string, isNew = true): void {
    this.#onProblem(`certificate ${source}: ${message}`)
    if (isNew) remember(this.#faults, source, message)
  }
}

const NO_TRUST: Trust = { ca: [], crl: [] }

function createContext(
  plan: ServerTlsPlan,
  pairs: readonly Pair[],
  { ca, crl }: Trust,
): SecureContext {
  const legacy = plan.minVersion === 'TLSv1' || plan.minVersion === 'TLSv1.1'
  const listed = plan.ciphers ?? (legacy ? DEFAULT_CIPHERS : null)
  // OpenSSL 3 speaks versions below 1.2 at security level 0 only.
  const ciphers = legacy ? `${listed}:@SECLEVEL=0` : listed
  return createSecureContext({
    cert: pairs.map((pair) => pair.certificate),
    key: pairs.map((pair) => pair.key),
    minVersion: plan.minVersion,
    maxVersion: plan.maxVersion,
    ...(ciphers === null ? {} : { ciphers }),
    ...(plan.curves === undefined ? {} : { ecdhCurve: plan.curves }),
    ...(ca.length === 0 ? {} : { ca: [...ca] }),
    ...(crl.length === 0 ? {} : { crl: [...crl] }),
    honorCipherOrder: true,
    // A resumed session would bring a client's certificate back without verifying it again.
    ...(plan.client === undefined ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
  })
}

/** Puts an entry last and drops the oldest beyond MAX_KEPT. */
function remember<T>(entries: Map<string, T>, key: string, value: T): void {
  entries.delete(key)
  entries.set(key, value)
  for (const oldest of entries.keys()) {
    if (entries.size <= MAX_KEPT) return
    entries.delete(oldest)
  }
}

/** Equal for equal certificates, keys and settings: such plans share a context over generations. */
function contentOf(plan: ServerTlsPlan, pairs: readonly Pair[], { ca, crl }: Trust): string {
  const { minVersion, maxVersion, ciphers, curves, client } = plan
  const material = pairs.map(({ certificate, key }) => [certificate, key])
  const rules =
    client === undefined
      ? null
      : [
          client.required,
          client.acceptsUntrusted,
          client.subjectAltNames,
          client.spki,
          client.hashes,
        ]
  const settings = [minVersion, maxVersion, ciphers, curves ?? null, rules]
  return hash('sha256', JSON.stringify([settings, material, ca, crl]))
}

function readPair(source: CertificateSource): Pair | string {
  if (source.kind === 'pem') return { certificate: source.certificate, key: source.key.reveal() }
  try {
    return {
      certificate: readFileSync(source.certificate, 'latin1'),
      key: readFileSync(source.key, 'latin1'),
    }
  } catch (error) {
    return messageOf(error)
  }
}

function stampOf(plan: ServerTlsPlan, issued: IssuedCertificates): string {
  const stamps = filesOf(plan).map(fileStamp)
  for (const source of plan.certificates) {
    if (source.kind === 'acme') stamps.push(`issued:${issued.find(source)?.revision ?? 0}`)
  }
  return stamps.join(' ')
}

function filesOf({ certificates, client }: ServerTlsPlan): readonly string[] {
  const files: string[] = []
  for (const source of certificates) {
    if (source.kind === 'files') files.push(source.certificate, source.key)
  }
  for (const source of [client?.ca, client?.crl]) {
    if (source?.kind === 'file') files.push(source.path)
  }
  return files
}

function sourceNames({ certificates, client }: ServerTlsPlan): readonly string[] {
  const trust = [client?.ca, client?.crl].filter(
    (source) => source !== null && source !== undefined,
  )
  return [...certificates.map(({ name }) => name), ...trust.map(trustName)]
}

function fileStamp(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? 'missing' : `${stat.mtimeMs}:${stat.size}:${stat.ino}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

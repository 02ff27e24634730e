import { hash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'
import { expiryNotice, keyPairError } from './key-pair.ts'
import type { CertificateSource, ServerTlsPlan } from './plan.ts'

/** Files of a certificate are looked at again at most this often, when a handshake needs them. */
const FILE_CHECK_INTERVAL_MS = 1000
/** Last good pairs, and contexts, that are kept. */
const MAX_KEPT = 1000

interface Pair {
  readonly certificate: string
  readonly key: string
}

interface Entry {
  context: SecureContext | null
  /** Modification times of the files it was made from; '' for PEM sources. */
  stamp: string
  checkedAtMs: number
}

/**
 * Server-side secure contexts by plan. A context is made at first need; files are re-read when they
 * change, and a broken new version leaves the last good one serving, also under the plans of later
 * configurations.
 */
export class ServerContexts {
  readonly #entries = new WeakMap<ServerTlsPlan, Entry>()
  readonly #byContent = new Map<string, SecureContext>()
  /** By certificate and key file, or by Secret. */
  readonly #lastGood = new Map<string, Pair>()
  readonly #onProblem: (message: string) => void
  readonly #now: () => number

  constructor(options: { onProblem: (message: string) => void; now?: () => number }) {
    this.#onProblem = options.onProblem
    this.#now = options.now ?? Date.now
  }

  /** The context to answer a handshake with, or null: no usable certificate, refuse. */
  contextFor(plan: ServerTlsPlan): SecureContext | null {
    const entry = this.#entries.get(plan)
    if (entry === undefined) return this.#load(plan, null)
    const hasFiles = entry.stamp !== ''
    if (!hasFiles || this.#now() - entry.checkedAtMs < FILE_CHECK_INTERVAL_MS) return entry.context
    entry.checkedAtMs = this.#now()
    if (stampOf(plan.certificates) === entry.stamp) return entry.context
    return this.#load(plan, entry)
  }

  #load(plan: ServerTlsPlan, previous: Entry | null): SecureContext | null {
    const stamp = stampOf(plan.certificates)
    const context = this.#create(plan) ?? (previous === null ? null : previous.context)
    this.#entries.set(plan, { context, stamp, checkedAtMs: this.#now() })
    return context
  }

  #create(plan: ServerTlsPlan): SecureContext | null {
    const pairs = this.#readPairs(plan.certificates)
    if (pairs === null) return null
    const content = contentOf(plan, pairs)
    const known = this.#byContent.get(content)
    if (known !== undefined) return known
    try {
      const context = createSecureContext({
        cert: pairs.map((pair) => pair.certificate),
        key: pairs.map((pair) => pair.key),
        minVersion: plan.minVersion,
        maxVersion: plan.maxVersion,
        ...(plan.ciphers === null ? {} : { ciphers: plan.ciphers }),
        honorCipherOrder: true,
      })
      remember(this.#byContent, content, context)
      return context
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#onProblem(`certificate ${plan.certificates[0]!.name}: TLS settings refused: ${reason}`)
      return null
    }
  }

  #readPairs(sources: readonly CertificateSource[]): readonly Pair[] | null {
    const pairs: Pair[] = []
    for (const source of sources) {
      const pair = this.#goodPair(source)
      if (pair === null) return null
      pairs.push(pair)
    }
    return pairs.length === 0 ? null : pairs
  }

  #goodPair(source: CertificateSource): Pair | null {
    const id = source.kind === 'files' ? `${source.certificate}\0${source.key}` : source.name
    const pair = readPair(source)
    const error = typeof pair === 'string' ? pair : keyPairError(pair.certificate, pair.key)
    if (typeof pair !== 'string' && error === null) {
      const notice = expiryNotice(pair.certificate, this.#now())
      if (notice !== null) this.#onProblem(`certificate ${source.name}: ${notice}`)
      remember(this.#lastGood, id, pair)
      return pair
    }
    this.#onProblem(`certificate ${source.name}: ${error}`)
    return this.#lastGood.get(id) ?? null
  }
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
function contentOf(plan: ServerTlsPlan, pairs: readonly Pair[]): string {
  const { minVersion, maxVersion, ciphers } = plan
  const material = pairs.map(({ certificate, key }) => [certificate, key])
  return hash('sha256', JSON.stringify([minVersion, maxVersion, ciphers, material]))
}

function readPair(source: CertificateSource): Pair | string {
  if (source.kind === 'pem') return { certificate: source.certificate, key: source.key.reveal() }
  try {
    return {
      certificate: readFileSync(source.certificate, 'latin1'),
      key: readFileSync(source.key, 'latin1'),
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function stampOf(sources: readonly CertificateSource[]): string {
  let stamp = ''
  for (const source of sources) {
    if (source.kind === 'files')
      stamp += `${fileStamp(source.certificate)} ${fileStamp(source.key)} `
  }
  return stamp
}

function fileStamp(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? 'missing' : `${stat.mtimeMs}:${stat.size}:${stat.ino}`
}

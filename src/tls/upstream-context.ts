import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import {
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type SecureContextOptions,
} from 'node:tls'
import { monotonicNow, type Now } from '../base/clock.ts'
import type { CertificateSource, UpstreamTlsPlan } from './plan.ts'

/** Files behind a context are looked at again at most this often, and only when it is used. */
const FILE_CHECK_INTERVAL_MS = 5_000

/**
 * The OpenSSL context of one upstream TLS plan. Certificates and CAs given as files are re-read when
 * they change; new material that does not load leaves the last good one in use.
 */
export class UpstreamContext {
  readonly plan: UpstreamTlsPlan
  readonly #now: Now
  readonly #files: readonly string[]
  #loaded: SecureContext | null
  #problem: string
  #signature: string
  #checkedAtMs: number
  #checking: boolean

  constructor(plan: UpstreamTlsPlan, now: Now = monotonicNow) {
    this.plan = plan
    this.#now = now
    this.#files = filesOf(plan)
    this.#loaded = null
    this.#problem = ''
    this.#signature = ''
    this.#checkedAtMs = now()
    this.#checking = false
    this.#load()
  }

  /** The context for a new connection, or null: `problem` then says why there is none. */
  current(): SecureContext | null {
    if (this.#files.length > 0 && this.#now() - this.#checkedAtMs >= FILE_CHECK_INTERVAL_MS) {
      void this.refresh()
    }
    return this.#loaded
  }

  /** Why the latest material could not be loaded, or ''. */
  get problem(): string {
    return this.#problem
  }

  /** Looks at the files now and loads them when they changed. Never rejects. */
  async refresh(): Promise<void> {
    if (this.#checking) return
    this.#checking = true
    try {
      const signature = await signatureOf(this.#files)
      if (signature !== this.#signature || this.#problem !== '') {
        this.#load()
        this.#signature = signature
      }
    } finally {
      this.#checkedAtMs = this.#now()
      this.#checking = false
    }
  }

  #load(): void {
    try {
      this.#loaded = createSecureContext(contextOptions(this.plan))
      this.#problem = ''
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error)
    }
  }
}

/** Contexts by plan identity: endpoints and generations that share a plan share its context. */
export class UpstreamContexts {
  readonly #byPlan: WeakMap<UpstreamTlsPlan, UpstreamContext>
  readonly #now: Now

  constructor(now: Now = monotonicNow) {
    this.#byPlan = new WeakMap()
    this.#now = now
  }

  of(plan: UpstreamTlsPlan): UpstreamContext {
    let context = this.#byPlan.get(plan)
    if (context === undefined) {
      context = new UpstreamContext(plan, this.#now)
      this.#byPlan.set(plan, context)
    }
    return context
  }
}

/** True when connections made under one plan are as good as those made under the other. */
export function sameUpstreamTls(a: UpstreamTlsPlan | null, b: UpstreamTlsPlan | null): boolean {
  if (a === b) return true
  if (a === null || b === null) return false
  return (
    a.serverName === b.serverName &&
    a.insecureSkipVerify === b.insecureSkipVerify &&
    a.ca === b.ca &&
    a.caFile === b.caFile &&
    a.crl === b.crl &&
    a.crlFile === b.crlFile &&
    a.mesh === b.mesh &&
    a.minVersion === b.minVersion &&
    a.ciphers === b.ciphers &&
    a.curves === b.curves &&
    a.subjectAltNames.length === b.subjectAltNames.length &&
    a.subjectAltNames.every((name, i) => name === b.subjectAltNames[i]) &&
    sameCertificate(a.client, b.client)
  )
}

function sameCertificate(a: CertificateSource | null, b: CertificateSource | null): boolean {
  if (a === null || b === null) return a === b
  if (a.kind === 'pem' && b.kind === 'pem') {
    return a.certificate === b.certificate && a.key.reveal() === b.key.reveal()
  }
  if (a.kind === 'files' && b.kind === 'files') {
    return a.certificate === b.certificate && a.key === b.key
  }
  return false
}

function filesOf(plan: UpstreamTlsPlan): readonly string[] {
  const files: string[] = []
  if (plan.caFile !== null) files.push(plan.caFile)
  if (plan.crlFile !== undefined) files.push(plan.crlFile)
  if (plan.client?.kind === 'files') files.push(plan.client.certificate, plan.client.key)
  return files
}

async function signatureOf(files: readonly string[]): Promise<string> {
  const parts: string[] = []
  for (const file of files) {
    try {
      const { ino, size, mtimeMs } = await stat(file)
      parts.push(`${ino}:${size}:${mtimeMs}`)
    } catch {
      parts.push('missing')
    }
  }
  return parts.join(' ')
}

function contextOptions(plan: UpstreamTlsPlan): SecureContextOptions {
  const options: SecureContextOptions = { minVersion: plan.minVersion ?? 'TLSv1.2' }
  if (plan.ciphers !== undefined) options.ciphers = plan.ciphers
  if (plan.curves !== undefined) options.ecdhCurve = plan.curves
  const ca = plan.caFile === null ? plan.ca : readFileSync(plan.caFile, 'utf8')
  // An empty or unreadable bundle must never fall back to the default roots.
  if (ca !== null) options.ca = readableCas(ca)
  else if (!plan.insecureSkipVerify) {
    const roots = systemRoots()
    if (roots !== null) options.ca = [...roots]
  }
  const crl = plan.crlFile === undefined ? plan.crl : readFileSync(plan.crlFile, 'utf8')
  if (crl !== undefined) options.crl = readableLists(crl)
  const client = plan.client
  if (client !== null) {
    const files = client.kind === 'files'
    options.cert = files ? readFileSync(client.certificate, 'utf8') : client.certificate
    options.key = files ? readFileSync(client.key, 'utf8') : client.key.reveal()
  }
  return options
}

const PEM_CERTIFICATE =
  /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g

function readableCas(bundle: string): string[] {
  const certificates = bundle.match(PEM_CERTIFICATE)
  if (certificates === null) throw new Error('the CA bundle holds no PEM certificate')
  for (const certificate of certificates) void new X509Certificate(certificate)
  return certificates
}

const PEM_REVOCATION_LIST = /-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g

/** OpenSSL takes one list at a time, and an empty text without a word. */
function readableLists(text: string): string[] {
  const lists = text.match(PEM_REVOCATION_LIST)
  if (lists === null) throw new Error('the revocation list holds no PEM X509 CRL')
  return lists
}

let roots: readonly string[] | null | undefined

/**
 * The system's roots together with those Node brings (a minimal image has no store of its own), or
 * null when the system adds nothing: OpenSSL then shares one parsed store among all contexts.
 */
function systemRoots(): readonly string[] | null {
  if (roots === undefined) {
    const own = new Set(getCACertificates('default'))
    const extra = getCACertificates('system').filter((certificate) => !own.has(certificate))
    roots = extra.length === 0 ? null : [...own, ...extra]
  }
  return roots
}

import type { CertificateDescription } from '../admin/admin-state.ts'
import { type Problem, unplacedProblem } from '../config/problems.ts'
import type { CertificateExpiry } from '../telemetry/certificate-stats.ts'
import type { CertificateFault } from '../tls/server-context.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** A certificate that ends within this time is a finding. */
const EXPIRY_NOTICE_MS = 30 * DAY_MS
/** Without a change of configuration certificates are looked at this often. */
const CHECK_INTERVAL_MS = DAY_MS

export interface CertificateWatchOptions {
  /** The certificates that are served now. */
  certificates(): readonly CertificateDescription[]
  /** Material that could not be used when it was last looked at. */
  faults(): readonly CertificateFault[]
  /** The findings changed without a new configuration. */
  onChange(): void
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** Findings about served certificates that come with time, not with a change of configuration. */
export class CertificateWatch {
  readonly #options: CertificateWatchOptions
  #expiring: readonly Problem[] = []
  readonly #timer: NodeJS.Timeout

  constructor(options: CertificateWatchOptions) {
    this.#options = options
    this.#timer = setInterval(() => {
      this.check()
      options.onChange()
    }, CHECK_INTERVAL_MS)
    this.#timer.unref()
  }

  /** Looks at the dates of what is served now. */
  check(): void {
    const now = this.#options.now()
    this.#expiring = this.#options.certificates().flatMap((one) => expiryProblem(one, now))
  }

  get problems(): readonly Problem[] {
    const faults = this.#options.faults()
    return faults.length === 0 ? this.#expiring : [...this.#expiring, ...faults.map(faultProblem)]
  }

  /** For metrics. */
  get expiries(): readonly CertificateExpiry[] {
    return this.#options
      .certificates()
      .filter(({ notAfter }) => notAfter !== '')
      .map(({ name, notAfter }) => ({ name, notAfterMs: Date.parse(notAfter) }))
  }

  close(): void {
    clearInterval(this.#timer)
  }
}

function expiryProblem(
  { name, usedBy, notAfter, order }: CertificateDescription,
  now: number,
): readonly Problem[] {
  const leftMs = Date.parse(notAfter) - now
  if (notAfter === '' || leftMs >= EXPIRY_NOTICE_MS) return []
  // Short-lived ones are always near their end; a renewal that fails is a finding of its own.
  if (order !== undefined && leftMs > 0) return []
  const users = usedBy.join(', ')
  const hint = 'renew it: a new Secret or file is taken without a restart'
  if (leftMs <= 0) {
    const message = `certificate ${name} expired at ${notAfter}: clients of ${users} refuse it`
    return [unplacedProblem('error', 'certificate-expired', message, hint)]
  }
  const days = Math.floor(leftMs / DAY_MS)
  const message = `certificate ${name} expires in ${days} days, at ${notAfter}: it is used by ${users}`
  return [unplacedProblem('warning', 'certificate-expires-soon', message, hint)]
}

function faultProblem({ source, message }: CertificateFault): Problem {
  return unplacedProblem(
    'error',
    'certificate-unusable',
    `certificate ${source}: ${message}; its last good version keeps serving, without one handshakes are refused`,
    'store a certificate and key that belong together',
  )
}

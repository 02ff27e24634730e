import type { AcmeSettings } from '../acme/acme-settings.ts'
import { type CertificateOrders, MAX_CERTIFICATES } from '../acme/certificate-orders.ts'
import type { ManagedCertificate } from '../acme/managed-certificate.ts'
import type { Problem, Severity } from '../config/problems.ts'
import type { AcmeSource } from '../tls/plan.ts'

/** A Gateway (`namespace/name`) that asks for the certificate of a host. */
export interface AcmeUse {
  readonly source: AcmeSource
  readonly gateway: string
}

/** What stands in the way of certificates that Gateways ask for, and what is being done about it. */
export function acmeProblems(
  uses: readonly AcmeUse[],
  orders: CertificateOrders | null,
  settings: AcmeSettings,
): readonly Problem[] {
  if (uses.length === 0) return []
  if (orders === null) return uses.map((use) => notConfigured(use, settings))
  const found: Problem[] = []
  if (orders.storeError !== '') {
    const message = `the store of ACME certificates cannot be used: ${orders.storeError}; what was issued keeps serving, nothing is ordered`
    found.push(problem('warning', 'acme-store-away', message, 'check --acme-store'))
  }
  if (orders.dropped > 0) {
    const message = `${orders.dropped} hosts ask for certificates beyond the ${MAX_CERTIFICATES} that one gateway orders`
    const hint = 'spread the Gateways over several gateways, or bring certificates of your own'
    found.push(problem('error', 'acme-too-many-certificates', message, hint))
  }
  for (const use of uses) {
    const one = orders.managed(use.source)
    if (one !== null) found.push(...statusOf(one, use))
  }
  return found
}

function notConfigured(use: AcmeUse, { store }: AcmeSettings): Problem {
  const lacking = store === 'redis' ? '--redis' : '--acme-store'
  const message = `a certificate for ${use.source.host} is asked for by ACME, but ${lacking} is not given: TLS connections for it fail`
  const hint = 'run with --acme-store DIR, or --redis URL --acme-store redis for several replicas'
  return problem('error', 'acme-not-configured', message, hint, use)
}

function statusOf(one: ManagedCertificate, use: AcmeUse): readonly Problem[] {
  const { host, challenge } = use.source
  if (one.error !== '') {
    const next = new Date(one.nextAttemptAtMs).toISOString()
    const served = one.issued !== null
    const effect = served
      ? `the certificate that ends at ${new Date(one.notAfterMs).toISOString()} keeps serving`
      : 'TLS connections for it fail'
    const message = `no certificate for ${host} could be ordered (${one.failures} in a row): ${one.error}; ${effect}; the next attempt is at ${next}`
    const hint = hintFor(one.error, use.source)
    return [problem(served ? 'warning' : 'error', 'acme-order-failed', message, hint, use)]
  }
  if (one.issued !== null) return []
  const message = `there is no certificate for ${host} yet: it is ordered by ACME (${challenge}); TLS connections for it fail until then`
  return [problem('info', 'acme-certificate-pending', message, 'wait a moment', use)]
}

/** What to look at: the way to this gateway only where the ACME server failed to come. */
function hintFor(error: string, { host, challenge }: AcmeSource): string {
  if (!error.includes(' challenge is '))
    return 'mend what is said above; it is tried again by itself'
  return challenge === 'http-01'
    ? `http://${host}/.well-known/acme-challenge/ on port 80 has to lead to this gateway from the internet`
    : `port 443 of ${host} has to lead to this gateway from the internet, with TLS untouched on the way`
}

function problem(
  severity: Severity,
  code: string,
  message: string,
  hint: string,
  use: AcmeUse | null = null,
): Problem {
  const slash = use === null ? -1 : use.gateway.indexOf('/')
  const ref =
    use === null
      ? null
      : {
          kind: 'Gateway',
          namespace: use.gateway.slice(0, slash),
          name: use.gateway.slice(slash + 1),
        }
  return { code, severity, ref, path: [], message, hint, file: null, line: null, column: null }
}

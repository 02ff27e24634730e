import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { CertificateDescription, OrderDescription } from '../admin/admin-state.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { IssuedCertificates } from '../tls/issued-certificates.ts'
import type { AcmeSource, CertificateSource, ServerCertificateSource } from '../tls/plan.ts'

/** Certificates that are ordered, and how their orders stand. */
export interface CertificateOrdering extends IssuedCertificates {
  describe(source: AcmeSource): OrderDescription
}

/** Where configuration is only looked at. */
export const NOTHING_ORDERED: CertificateOrdering = {
  find: () => null,
  describe: ({ directory, challenge }) => ({
    directory: directory ?? '',
    challenge,
    state: 'not-ordered',
    renewAt: '',
    nextAttemptAt: '',
    lastError: '',
  }),
}

/** Every certificate that a Gateway server of the snapshot uses, without its key. */
export function describeCertificates(
  snapshot: Snapshot,
  orders: CertificateOrdering,
): readonly CertificateDescription[] {
  const users = new Map<string, { source: ServerCertificateSource; usedBy: string[] }>()
  for (const listener of snapshot.listeners) {
    if (listener.accept.type !== 'tls') continue
    for (const chain of listener.accept.chains.all) {
      for (const source of chain.tls.certificates) {
        const known = users.get(source.name)
        if (known === undefined) users.set(source.name, { source, usedBy: [chain.name] })
        else known.usedBy.push(chain.name)
      }
    }
  }
  return [...users.values()].map(({ source, usedBy }) => {
    if (source.kind !== 'acme') return describe(source.name, usedBy, () => textOf(source))
    const order = orders.describe(source)
    const read = (): string => issuedText(source, order, orders)
    return { ...describe(source.name, usedBy, read), order }
  })
}

function textOf(source: CertificateSource): string {
  return source.kind === 'pem' ? source.certificate : readFileSync(source.certificate, 'latin1')
}

/** Throws with what there is to say when nothing was issued yet. */
function issuedText(
  source: AcmeSource,
  { state, lastError }: OrderDescription,
  orders: CertificateOrdering,
): string {
  const issued = orders.find(source)
  if (issued !== null) return issued.certificate
  const reason = lastError === '' ? '' : `: ${lastError}`
  throw new Error(`no certificate was issued yet (${state})${reason}`)
}

function describe(
  name: string,
  usedBy: readonly string[],
  read: () => string,
): CertificateDescription {
  try {
    const certificate = new X509Certificate(read())
    return {
      name,
      usedBy,
      subject: certificate.subject,
      issuer: certificate.issuer,
      subjectAltNames: (certificate.subjectAltName ?? '').split(', ').filter((name) => name !== ''),
      serialNumber: certificate.serialNumber,
      fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
      notBefore: certificate.validFromDate.toISOString(),
      notAfter: certificate.validToDate.toISOString(),
      problem: '',
    }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    const unknown = {
      subject: '',
      issuer: '',
      subjectAltNames: [],
      serialNumber: '',
      fingerprint: '',
    }
    return { name, usedBy, ...unknown, notBefore: '', notAfter: '', problem }
  }
}

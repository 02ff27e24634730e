import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { CertificateDescription } from '../admin/admin-state.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { CertificateSource } from '../tls/plan.ts'

/** Every certificate that a Gateway server of the snapshot uses, without its key. */
export function describeCertificates(snapshot: Snapshot): readonly CertificateDescription[] {
  const users = new Map<string, { source: CertificateSource; usedBy: string[] }>()
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
  return [...users.values()].map(({ source, usedBy }) => describe(source, usedBy))
}

function describe(source: CertificateSource, usedBy: readonly string[]): CertificateDescription {
  try {
    const pem =
      source.kind === 'pem' ? source.certificate : readFileSync(source.certificate, 'latin1')
    const certificate = new X509Certificate(pem)
    return {
      name: source.name,
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
    return { name: source.name, usedBy, ...unknown, notBefore: '', notAfter: '', problem }
  }
}

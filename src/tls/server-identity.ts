import { isIP } from 'node:net'
import type { X509Certificate } from 'node:crypto'
import { alternativeNames } from './alternative-names.ts'

/** OpenSSL matches names against subjectAltName only: RFC 9525 leaves the common name out. */
const HOST_CHECK = { subject: 'never', wildcards: true, partialWildcards: false } as const

/**
 * Why the peer's certificate does not stand for any of `names`, or null when it does. A name is a
 * DNS name (RFC 9525, wildcards in the certificate's left-most label), an IP address, or a URI such
 * as a SPIFFE id, which must be equal.
 */
export function identityProblem(
  certificate: X509Certificate,
  names: readonly string[],
): string | null {
  for (const name of names) if (stands(certificate, name)) return null
  const offered = certificate.subjectAltName ?? 'no subject alternative name'
  return `the certificate is for ${offered}, not for ${names.join(' or ')}`
}

function stands(certificate: X509Certificate, name: string): boolean {
  // A control byte in an expected name would end the C string OpenSSL compares.
  if (/[^\x21-\x7e]/.test(name)) return false
  if (isIP(name) !== 0) return certificate.checkIP(name) !== undefined
  if (name.includes('://')) {
    return alternativeNames(certificate.subjectAltName).some(
      ({ type, value }) => type === 'URI' && value === name,
    )
  }
  return certificate.checkHost(name, HOST_CHECK) !== undefined
}

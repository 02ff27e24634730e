import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { TrustSource } from './plan.ts'

const PEM_CERTIFICATE =
  /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g
const PEM_REVOCATION_LIST = /-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g

/** For people and for identity. */
export function trustName(source: TrustSource): string {
  return source.kind === 'pem' ? source.name : `file://${source.path}`
}

/**
 * The certificates of a CA bundle, each as PEM. Throws when there is none: an empty bundle must
 * never fall back to public roots.
 */
export function authoritiesOf(source: TrustSource): readonly string[] {
  const certificates = textOf(source).match(PEM_CERTIFICATE)
  if (certificates === null) throw new Error('the CA bundle holds no PEM certificate')
  for (const certificate of certificates) void new X509Certificate(certificate)
  return certificates
}

/** The revocation lists of a file or Secret, each as PEM. Throws when there is none. */
export function revocationListsOf(source: TrustSource): readonly string[] {
  const lists = textOf(source).match(PEM_REVOCATION_LIST)
  if (lists === null) throw new Error('the revocation list holds no PEM X509 CRL')
  return lists
}

function textOf(source: TrustSource): string {
  return source.kind === 'pem' ? source.text : readFileSync(source.path, 'latin1')
}

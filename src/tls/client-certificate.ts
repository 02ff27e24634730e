import { hash, type X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { alternativeNames, firstUri } from './alternative-names.ts'
import type { ClientVerification } from './plan.ts'

/** Certificates that a client may send behind its own and that are shown on. */
export const MAX_CHAIN_CERTIFICATES = 10

/** A certificate that was verified, as x-forwarded-client-cert and the access log describe it. */
export interface VerifiedCertificate {
  /** SHA-256 of the DER, lower-case hex. */
  readonly hash: string
  /** Distinguished name (RFC 2253), or ''. */
  readonly subject: string
  readonly uriSans: readonly string[]
  readonly dnsSans: readonly string[]
  /** The leaf, and the leaf with what the client sent behind it, as PEM. */
  readonly certPem: string
  readonly chainPem: string
  /** First URI of the certificate that the gateway showed, or null. */
  readonly ownUri: string | null
}

export type ClientVerdict =
  | { readonly admitted: true; readonly certificate: VerifiedCertificate | null }
  | { readonly admitted: false; readonly reason: string }

const WITHOUT_CERTIFICATE: ClientVerdict = { admitted: true, certificate: null }

/**
 * Judges the certificate of a client whose handshake is complete: OpenSSL has built and checked its
 * chain (dates, purpose, revocation), Node leaves the decision to us. Istio ServerTLSSettings mode,
 * subjectAltNames, verifyCertificateHash, verifyCertificateSpki.
 */
export function judgeClient(socket: TLSSocket, wanted: ClientVerification): ClientVerdict {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) {
    return wanted.required ? refused('the client sent no certificate') : WITHOUT_CERTIFICATE
  }
  const untrusted = verifyError(socket)
  if (untrusted !== null) {
    return wanted.acceptsUntrusted ? WITHOUT_CERTIFICATE : refused(untrusted)
  }
  const mismatch = wanted.acceptsUntrusted ? null : mismatchOf(certificate, wanted)
  if (mismatch !== null) return refused(mismatch)
  return { admitted: true, certificate: described(certificate, socket) }
}

/** Node offers OpenSSL's verdict to its own servers only; a missing door counts as a refusal. */
function verifyError(socket: TLSSocket): string | null {
  const handle: unknown = Reflect.get(socket, '_handle')
  if (!isVerifying(handle)) return 'the certificate cannot be verified'
  const error = handle.verifyError()
  if (error === null || error === undefined) return null
  return `the certificate is not trusted: ${error.message}`
}

interface VerifyingHandle {
  verifyError(): Error | null | undefined
}

function isVerifying(handle: unknown): handle is VerifyingHandle {
  return (
    typeof handle === 'object' &&
    handle !== null &&
    typeof Reflect.get(handle, 'verifyError') === 'function'
  )
}

function mismatchOf(certificate: X509Certificate, wanted: ClientVerification): string | null {
  const { subjectAltNames, spki, hashes } = wanted
  if (subjectAltNames.length > 0) {
    const names = alternativeNames(certificate.subjectAltName)
    if (!names.some(({ value }) => subjectAltNames.includes(value))) {
      return 'no name of the certificate is among subjectAltNames'
    }
  }
  if (spki.length === 0 && hashes.length === 0) return null
  if (hashes.includes(fingerprint(certificate)) || spki.includes(publicKeyHash(certificate))) {
    return null
  }
  return 'the certificate is none of verifyCertificateHash and verifyCertificateSpki'
}

function fingerprint(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase()
}

function publicKeyHash({ publicKey }: X509Certificate): string {
  return hash('sha256', publicKey.export({ type: 'spki', format: 'der' }), 'base64')
}

function described(certificate: X509Certificate, socket: TLSSocket): VerifiedCertificate {
  const names = alternativeNames(certificate.subjectAltName)
  const valuesOf = (wanted: string): string[] =>
    names.filter(({ type }) => type === wanted).map(({ value }) => value)
  const certPem = certificate.toString()
  return {
    hash: fingerprint(certificate),
    subject: distinguishedName(certificate.subject),
    uriSans: valuesOf('URI'),
    dnsSans: valuesOf('DNS'),
    certPem,
    chainPem: certPem + issuersOf(certificate),
    ownUri: firstUri(socket.getX509Certificate()?.subjectAltName),
  }
}

/** Node prints one escaped RDN a line, in the certificate's order; RFC 2253 begins with the last. */
function distinguishedName(printed: string | undefined): string {
  return (printed ?? '')
    .split('\n')
    .map((rdn) => rdn.replaceAll(' + ', '+'))
    .toReversed()
    .join(',')
}

/** The certificates between the leaf and its root. */
function issuersOf(leaf: X509Certificate): string {
  let text = ''
  let certificate = leaf.issuerCertificate
  for (let count = 0; certificate !== undefined && count < MAX_CHAIN_CERTIFICATES; count++) {
    if (certificate.issuer === certificate.subject) break
    text += certificate.toString()
    certificate = certificate.issuerCertificate
  }
  return text
}

function refused(reason: string): ClientVerdict {
  return { admitted: false, reason }
}

import type { ClientVerification, TrustSource } from '../../tls/plan.ts'
import type { FieldPlace, ServerTls, ServerTlsParts, ServerTlsSpec } from './server-tls.ts'

interface VerificationParts extends ServerTlsParts {
  readonly at: FieldPlace
  /** Folder of the mesh identity. */
  readonly folder: string
}

/**
 * What is asked of client certificates; null: nothing. `refused`: there is nothing to verify them
 * with, and letting everybody in is not what was asked for.
 */
export function clientVerification(
  spec: ServerTlsSpec,
  mode: ServerTls['mode'],
  parts: VerificationParts,
): ClientVerification | null | 'refused' {
  if (mode === 'SIMPLE') return null
  const acceptsUntrusted = spec.insecureSkipVerify === true && mode !== 'ISTIO_MUTUAL'
  const trust = mode === 'ISTIO_MUTUAL' ? meshTrust(parts.folder) : trustOf(spec, parts)
  if (trust.ca === null && !acceptsUntrusted) {
    reportMissing(spec, parts)
    return 'refused'
  }
  return {
    required: mode !== 'OPTIONAL_MUTUAL',
    acceptsUntrusted,
    ...trust,
    subjectAltNames: spec.subjectAltNames ?? [],
    spki: spec.verifyCertificateSpki ?? [],
    hashes: (spec.verifyCertificateHash ?? []).map((text) =>
      text.replaceAll(':', '').toLowerCase(),
    ),
  }
}

type Trust = Pick<ClientVerification, 'ca' | 'crl'>

function meshTrust(folder: string): Trust {
  return { ca: { kind: 'file', path: `${folder}/root-cert.pem` }, crl: null }
}

/** caCertCredentialName wins over the CA of the first credential, that over files. */
function trustOf(spec: ServerTlsSpec, { credentials }: VerificationParts): Trust {
  const named = spec.caCertCredentialName ?? ''
  const [first] = credentialNames(spec)
  const name = named === '' ? first : named
  if (name !== undefined) {
    const ca = credentials.certificateAuthority(name)
    const crl = credentials.revocationList(name)
    const source = `${credentials.nameOf(name)} (CA)`
    if (ca === null) return { ca: null, crl: null }
    return {
      ca: { kind: 'pem', name: source, text: ca },
      crl: crl === null ? null : { kind: 'pem', name: `${source}, CRL`, text: crl },
    }
  }
  const pairs = spec.tlsCertificates ?? []
  const path = spec.caCertificates ?? pairs[0]?.caCertificates
  return { ca: fileOf(path), crl: fileOf(spec.caCrl) }
}

/** `credentialName`, or `credentialNames`. */
export function credentialNames(tls: ServerTlsSpec): readonly string[] {
  if (tls.credentialName !== undefined && tls.credentialName !== '') return [tls.credentialName]
  return tls.credentialNames ?? []
}

function fileOf(path: string | undefined): TrustSource | null {
  return path === undefined || path === '' ? null : { kind: 'file', path }
}

function reportMissing(
  spec: ServerTlsSpec,
  { at, credentials, findings }: VerificationParts,
): void {
  const named = spec.caCertCredentialName ?? ''
  const [first] = credentialNames(spec)
  const name = named === '' ? first : named
  const field =
    named !== ''
      ? 'caCertCredentialName'
      : spec.credentialName === undefined
        ? 'credentialNames'
        : 'credentialName'
  if (name === undefined) {
    const message = 'there is no CA to verify clients with: TLS connections to this server fail'
    findings.report('error', 'client-ca-missing', at('mode'), message, 'set caCertificates')
    return
  }
  const secret = credentials.nameOf(name).replace('kubernetes://', '')
  findings.report(
    'error',
    'client-ca-missing',
    at(field),
    `neither Secret ${secret}-cacert nor ${secret} has a CA bundle (ca.crt or cacert) to verify clients with: TLS connections to this server fail, other servers are not affected`,
    'add ca.crt; a server that needs no client certificates has mode SIMPLE',
  )
}

import type { GatewayServer } from './gateway.ts'
import type { Place } from './place.ts'
import { checkTlsParameters } from './tls-version-rules.ts'

type ServerTls = NonNullable<GatewayServer['tls']>

const PASS_THROUGH: ReadonlySet<string> = new Set(['PASSTHROUGH', 'AUTO_PASSTHROUGH'])
const VERIFYING: ReadonlySet<string> = new Set(['MUTUAL', 'OPTIONAL_MUTUAL'])
const MAX_CERTIFICATES = 2

/** `tls` of a Gateway server whose protocol is HTTPS or TLS; `ordered`: by ACME, it needs no certificate. */
export function checkServerTls(place: Place, tls: ServerTls, ordered = false): void {
  if (tls.httpsRedirect === true) {
    place
      .at('httpsRedirect')
      .warning(
        'redirect-on-tls',
        'tls.httpsRedirect should only be used with http servers',
        'put httpsRedirect on the server of the plain HTTP port',
      )
  }
  if (tls.mode === undefined) {
    place.warning(
      'tls-mode-missing',
      'tls without mode is PASSTHROUGH: no certificate is served and the server routes by SNI',
      'write mode: SIMPLE to terminate TLS here, or mode: PASSTHROUGH to say that it is meant',
    )
  }
  const mode = tls.mode ?? 'PASSTHROUGH'
  if (PASS_THROUGH.has(mode)) checkPassThrough(place, tls, mode)
  else if (mode === 'ISTIO_MUTUAL') checkMeshMutual(place, tls)
  else {
    checkCertificateSources(place, tls, mode, ordered)
    checkClientVerification(place, tls, mode)
  }
  checkTlsParameters(place, tls)
}

function checkPassThrough(place: Place, tls: ServerTls, mode: string): void {
  for (const field of certificateFields(tls)) {
    place
      .at(field)
      .warning(
        'certificate-without-termination',
        `${mode} mode does not use certificates: ${field} is ignored`,
        'write mode: SIMPLE to terminate TLS with this certificate',
      )
  }
}

function checkMeshMutual(place: Place, tls: ServerTls): void {
  for (const field of certificateFields(tls)) {
    place
      .at(field)
      .error(
        'conflicting-fields',
        `ISTIO_MUTUAL TLS cannot have associated ${field}`,
        'ISTIO_MUTUAL uses the mesh identity; use MUTUAL for certificates of your own',
      )
  }
}

/** Names of the fields present that bring certificates. */
function certificateFields(tls: ServerTls): string[] {
  const texts = [
    'credentialName',
    'caCertCredentialName',
    'serverCertificate',
    'privateKey',
    'caCertificates',
    'caCrl',
  ] as const
  const lists = ['credentialNames', 'tlsCertificates'] as const
  return [
    ...texts.filter((field) => isSet(tls[field])),
    ...lists.filter((field) => (tls[field]?.length ?? 0) > 0),
  ]
}

function checkCertificateSources(
  place: Place,
  tls: ServerTls,
  mode: string,
  ordered: boolean,
): void {
  const names = tls.credentialNames ?? []
  const pairs = tls.tlsCertificates ?? []
  const files = isSet(tls.serverCertificate) || isSet(tls.privateKey)
  const sources = [isSet(tls.credentialName), names.length > 0, files, pairs.length > 0]
  const count = sources.filter(Boolean).length
  if (count > 1) {
    place.error(
      'conflicting-fields',
      'only one of credential_name, credential_names, server_certificate/private_key, tls_certificates should be specified',
      'keep one certificate source',
    )
  } else if (!ordered && (count === 0 || files)) {
    checkFilePair(place, tls, mode)
  }
  if (names.length > MAX_CERTIFICATES) {
    place
      .at('credentialNames')
      .error('too-many-certificates', 'credential_names: at most 2 names, one RSA and one ECDSA')
  }
  if (pairs.length > MAX_CERTIFICATES) {
    place
      .at('tlsCertificates')
      .warning(
        'extra-certificates',
        'tls_certificates: only the first two are used, one RSA and one ECDSA',
      )
  }
  place.each('tlsCertificates', pairs, (pair, at) => checkFilePair(at, pair, mode))
  if (!isSet(tls.caCrl)) return
  if (isSet(tls.credentialName) || names.length > 0) {
    place
      .at('caCrl')
      .error(
        'conflicting-fields',
        'CRL is not supported with credentialName. CRL has to be specified in the credential',
      )
  } else if (mode === 'SIMPLE') {
    place.at('caCrl').error('conflicting-fields', 'CRL is not supported with SIMPLE TLS')
  }
}

interface FilePair {
  readonly serverCertificate?: string
  readonly privateKey?: string
}

function checkFilePair(place: Place, pair: FilePair, mode: string): void {
  const hint = 'name a Secret in credentialName, or give both files'
  if (!isSet(pair.serverCertificate)) {
    place.error('missing-certificate', `${mode} TLS requires a server certificate`, hint)
  }
  if (!isSet(pair.privateKey)) {
    place.error('missing-certificate', `${mode} TLS requires a private key`, hint)
  }
}

function checkClientVerification(place: Place, tls: ServerTls, mode: string): void {
  if (!VERIFYING.has(mode)) {
    for (const field of [
      'subjectAltNames',
      'verifyCertificateSpki',
      'verifyCertificateHash',
    ] as const) {
      if ((tls[field]?.length ?? 0) === 0) continue
      place
        .at(field)
        .warning(
          'client-certificate-not-asked',
          `${field} restricts client certificates, and mode ${mode} asks for none`,
          'write mode: MUTUAL to require client certificates',
        )
    }
    return
  }
  checkPins(place, tls)
  const secret = isSet(tls.credentialName) || (tls.credentialNames?.length ?? 0) > 0
  const ca = isSet(tls.caCertificates) || isSet(tls.caCertCredentialName)
  const pairs = tls.tlsCertificates ?? []
  const pairCa = pairs.length > 0 && pairs.every((pair) => isSet(pair.caCertificates))
  if (secret || ca || pairCa) return
  place.error(
    'missing-certificate',
    'MUTUAL TLS requires a client CA bundle',
    'set caCertificates or caCertCredentialName',
  )
}

const SHA256_HEX = /^(?:[0-9a-f]{64}|[0-9a-f]{2}(?::[0-9a-f]{2}){31})$/i
const SHA256_BASE64 = /^[A-Za-z0-9+/]{43}=$/

/** A hash that no certificate can have would shut every client out. */
function checkPins(place: Place, tls: ServerTls): void {
  place.each('verifyCertificateHash', tls.verifyCertificateHash, (text, at) => {
    if (SHA256_HEX.test(text)) return
    at.error(
      'invalid-certificate-hash',
      `"${text}" is not the SHA-256 hash of a certificate: 64 hexadecimal digits, colons allowed`,
      'openssl x509 -noout -fingerprint -sha256 -in client.pem',
    )
  })
  place.each('verifyCertificateSpki', tls.verifyCertificateSpki, (text, at) => {
    if (SHA256_BASE64.test(text)) return
    at.error(
      'invalid-certificate-hash',
      `"${text}" is not the SHA-256 hash of a public key in base64 (44 characters)`,
      'openssl x509 -noout -pubkey -in client.pem | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64',
    )
  })
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text !== ''
}

import { getCiphers } from 'node:tls'
import type { GatewayServer } from '../../config/kinds/gateway.ts'
import type { CertificateSource, ServerTlsPlan, TlsVersion } from '../../tls/plan.ts'
import type { Credentials } from '../credentials.ts'
import type { Findings, Place } from '../findings.ts'

type ServerTlsSpec = NonNullable<GatewayServer['tls']>

const VERSIONS: Readonly<Record<string, TlsVersion>> = {
  TLSV1_0: 'TLSv1',
  TLSV1_1: 'TLSv1.1',
  TLSV1_2: 'TLSv1.2',
  TLSV1_3: 'TLSv1.3',
}
const DEFAULT_MIN_VERSION: TlsVersion = 'TLSv1.2'
const DEFAULT_MAX_VERSION: TlsVersion = 'TLSv1.3'
/** Offered on HTTPS servers, in order of preference. */
const HTTP_ALPN = ['h2', 'http/1.1']

/** A chain that refuses every handshake: its names are known, but nothing can serve them. */
export const REFUSING_TLS: ServerTlsPlan = {
  certificates: [],
  minVersion: DEFAULT_MIN_VERSION,
  maxVersion: DEFAULT_MAX_VERSION,
  ciphers: null,
  alpn: [],
}

/** TLS of an HTTPS server with mode SIMPLE. Without a usable certificate it refuses handshakes. */
export function serverTls(
  tls: ServerTlsSpec,
  place: Place,
  credentials: Credentials,
  findings: Findings,
): ServerTlsPlan {
  const at = (...steps: (string | number)[]): Place => ({
    resource: place.resource,
    path: [...place.path, 'tls', ...steps],
  })
  if (tls.ecdhCurves !== undefined && tls.ecdhCurves.length > 0) {
    const message = 'ecdhCurves has no effect: the default curves are offered'
    findings.report('warning', 'field-ignored', at('ecdhCurves'), message)
  }
  return {
    certificates: certificates(tls, at, credentials, findings),
    minVersion: VERSIONS[tls.minProtocolVersion ?? ''] ?? DEFAULT_MIN_VERSION,
    maxVersion: VERSIONS[tls.maxProtocolVersion ?? ''] ?? DEFAULT_MAX_VERSION,
    ciphers: cipherList(tls.cipherSuites ?? [], at('cipherSuites'), findings),
    alpn: HTTP_ALPN,
  }
}

/** All or nothing: with one of two pairs missing, clients of that kind would fail unnoticed. */
function certificates(
  tls: ServerTlsSpec,
  at: (...steps: (string | number)[]) => Place,
  credentials: Credentials,
  findings: Findings,
): readonly CertificateSource[] {
  const names = credentialNames(tls)
  if (names.length === 0) return fileCertificates(tls)
  const sources: CertificateSource[] = []
  for (const name of names) {
    const pair = credentials.keyPair(name)
    if (pair.found) {
      sources.push(pair.value)
      continue
    }
    const { code, message, hint } = pair.fault
    const field = tls.credentialName === undefined ? 'credentialNames' : 'credentialName'
    const outcome =
      pair.broken === null
        ? 'TLS connections to this server fail'
        : 'its last good version keeps serving; without one TLS connections to this server fail'
    const effect = `${message}: ${outcome}, other servers are not affected`
    findings.report('error', code, at(field), effect, hint)
    if (pair.broken !== null) sources.push(pair.broken)
  }
  return sources.length === names.length ? sources : []
}

function credentialNames(tls: ServerTlsSpec): readonly string[] {
  if (tls.credentialName !== undefined && tls.credentialName !== '') return [tls.credentialName]
  return tls.credentialNames ?? []
}

function fileCertificates(tls: ServerTlsSpec): readonly CertificateSource[] {
  const listed = tls.tlsCertificates ?? []
  const pairs = listed.length > 0 ? listed : [tls]
  const sources: CertificateSource[] = []
  for (const { serverCertificate = '', privateKey = '' } of pairs) {
    if (serverCertificate === '' || privateKey === '') continue
    const name = `file://${serverCertificate}`
    sources.push({ kind: 'files', name, certificate: serverCertificate, key: privateKey })
  }
  return sources
}

/** Unknown and repeated names are left out; a list that becomes empty means the default. */
function cipherList(names: readonly string[], place: Place, findings: Findings): string | null {
  const available = new Set(getCiphers())
  const kept = new Set<string>()
  for (const name of names) {
    if (available.has(name.toLowerCase())) kept.add(name)
    else {
      const message = `cipher suite ${name} is not available here: it is left out`
      findings.report('warning', 'cipher-suite-unknown', place, message)
    }
  }
  return kept.size === 0 ? null : [...kept].join(':')
}

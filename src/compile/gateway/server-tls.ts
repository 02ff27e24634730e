import type { GatewayServer } from '../../config/kinds/gateway.ts'
import { HostTable } from '../../routing/host-table.ts'
import type { HttpServerPlan, TlsMode } from '../../snapshot/listener-plan.ts'
import type { CertificateSource, ServerTlsPlan, TlsVersion } from '../../tls/plan.ts'
import type { CompileSettings } from '../compile-input.ts'
import type { Credentials } from '../credentials.ts'
import type { Findings, Place } from '../findings.ts'
import { DEFAULT_MESH_CERTIFICATES } from '../policy/upstream-tls.ts'
import { cipherList, curveList, type TlsDefaults, tlsDefaults } from '../policy/tls-defaults.ts'
import { clientVerification, credentialNames } from './client-verification.ts'

export type ServerTlsSpec = NonNullable<GatewayServer['tls']>

/** A tls block that ends TLS here. */
export interface ServerTls {
  readonly spec: ServerTlsSpec
  readonly mode: Exclude<TlsMode, 'PASSTHROUGH' | 'AUTO_PASSTHROUGH'>
  /** Opaque bytes inside: no protocol is agreed on. */
  readonly opaque: boolean
  /** The server's. */
  readonly place: Place
}

/** What a tls block is compiled with. */
export interface ServerTlsParts {
  readonly credentials: Credentials
  readonly settings: Pick<CompileSettings, 'meshCertificates' | 'mesh'>
  readonly findings: Findings
}

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
/** One RSA and one ECDSA certificate. */
const MAX_CERTIFICATES = 2

/** Of servers that do not end TLS; nothing can be served with it. */
export const REFUSING_TLS: ServerTlsPlan = {
  certificates: [],
  minVersion: DEFAULT_MIN_VERSION,
  maxVersion: DEFAULT_MAX_VERSION,
  ciphers: null,
  alpn: [],
}

/** Of servers that speak no HTTP. */
export const NO_HTTP: HttpServerPlan = {
  name: 'none',
  hosts: new HostTable([]),
  gateways: [],
  authenticator: null,
}

/** TLS that ends here. What cannot be met as asked leaves no certificate: handshakes are refused. */
export function serverTls(tls: ServerTls, parts: ServerTlsParts): ServerTlsPlan {
  const { spec, mode, opaque } = tls
  const at = fieldsOf(tls.place)
  const folder = parts.settings.meshCertificates ?? DEFAULT_MESH_CERTIFICATES
  const certificates =
    mode === 'ISTIO_MUTUAL' ? meshCertificates(folder) : ownCertificates(spec, at, parts)
  const client = clientVerification(spec, mode, { at, folder, ...parts })
  const defaults = tlsDefaults(parts.settings.mesh, mode === 'ISTIO_MUTUAL', parts.findings)
  // Unknown curves were reported when the resource was read.
  const curves = curveList(spec.ecdhCurves ?? []) ?? defaults.curves
  const ciphers = cipherList(spec.cipherSuites ?? [], (suite) => {
    const message = `cipher suite ${suite} is not available here: it is left out`
    parts.findings.report('warning', 'cipher-suite-unknown', at('cipherSuites'), message)
  })
  return {
    certificates: client === 'refused' ? [] : certificates,
    ...versions(spec, defaults),
    ciphers: ciphers ?? defaults.ciphers,
    ...(curves === null ? {} : { curves }),
    alpn: opaque ? [] : HTTP_ALPN,
    ...(client === 'refused' || client === null ? {} : { client }),
  }
}

/** The range of a server. A maximum of its own below the default minimum is a range of one version. */
function versions(
  spec: ServerTlsSpec,
  defaults: TlsDefaults,
): Pick<ServerTlsPlan, 'minVersion' | 'maxVersion'> {
  const maxVersion = VERSIONS[spec.maxProtocolVersion ?? ''] ?? DEFAULT_MAX_VERSION
  const own = VERSIONS[spec.minProtocolVersion ?? '']
  if (own !== undefined) return { minVersion: own, maxVersion }
  const given = defaults.minVersion ?? DEFAULT_MIN_VERSION
  const isAbove = defaults.minVersion !== null && given > maxVersion
  return { minVersion: isAbove ? maxVersion : given, maxVersion }
}

/** Places of fields of a server's tls block. */
export type FieldPlace = (...steps: (string | number)[]) => Place

function fieldsOf({ resource, path }: Place): FieldPlace {
  return (...steps) => ({ resource, path: [...path, 'tls', ...steps] })
}

/** Files of the workload's identity, where Istio's agent and FILE_MOUNTED_CERTS put them. */
function meshCertificates(folder: string): readonly CertificateSource[] {
  const certificate = `${folder}/cert-chain.pem`
  return [{ kind: 'files', name: `file://${certificate}`, certificate, key: `${folder}/key.pem` }]
}

/** All or nothing: with one of two pairs missing, clients of that kind would fail unnoticed. */
function ownCertificates(
  tls: ServerTlsSpec,
  at: FieldPlace,
  { credentials, findings }: ServerTlsParts,
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

function fileCertificates(tls: ServerTlsSpec): readonly CertificateSource[] {
  const listed = (tls.tlsCertificates ?? []).slice(0, MAX_CERTIFICATES)
  const pairs = listed.length > 0 ? listed : [tls]
  const sources: CertificateSource[] = []
  for (const { serverCertificate = '', privateKey = '' } of pairs) {
    if (serverCertificate === '' || privateKey === '') continue
    const name = `file://${serverCertificate}`
    sources.push({ kind: 'files', name, certificate: serverCertificate, key: privateKey })
  }
  return sources
}

import type { TrafficPolicySpec } from '../../config/kinds/destination-rule.ts'
import type { MeshConfigSpec } from '../../config/mesh-config.ts'
import type { CertificateSource, UpstreamTlsPlan } from '../../tls/plan.ts'
import type { Credentials } from '../credentials.ts'
import type { Findings } from '../findings.ts'
import type { MeshService } from '../registry/mesh-service.ts'
import { type TlsDefaults, tlsDefaults } from './tls-defaults.ts'
import type { PlacedBlock } from './traffic-policy.ts'

type ClientTlsSpec = NonNullable<TrafficPolicySpec['tls']>

/** `refused`: the endpoints must not be reached, because it would be with less protection than asked. */
export type UpstreamTls =
  | { readonly type: 'plaintext' }
  | { readonly type: 'tls'; readonly plan: UpstreamTlsPlan }
  | { readonly type: 'refused' }

const PLAINTEXT: UpstreamTls = { type: 'plaintext' }
const REFUSED: UpstreamTls = { type: 'refused' }
/** Istio's spelling of the operating system's roots. */
const SYSTEM_ROOTS = 'system'
/** Istio's default of MeshConfig trustDomain. */
const DEFAULT_TRUST_DOMAIN = 'cluster.local'

/** Where Istio's agent puts the workload's own certificate (`OUTPUT_CERTS`, FILE_MOUNTED_CERTS). */
export const DEFAULT_MESH_CERTIFICATES = '/etc/certs'

/** Whom the connections are for. */
export interface UpstreamTlsTarget {
  readonly service: MeshService
  readonly port: number
  /** '' for the whole service. */
  readonly subset: string
  /** Folder with cert-chain.pem, key.pem and root-cert.pem; absent: /etc/certs. */
  readonly meshCertificates?: string | undefined
  readonly mesh: MeshConfigSpec
}

/** DestinationRule tls. A block without mode means DISABLE. */
export function upstreamTls(
  block: PlacedBlock<ClientTlsSpec> | null,
  target: UpstreamTlsTarget,
  credentials: Credentials,
  findings: Findings,
): UpstreamTls {
  const { service } = target
  const mode = block?.spec.mode ?? 'DISABLE'
  if (block === null || mode === 'DISABLE') return PLAINTEXT
  const { spec } = block
  const isMeshTls = mode === 'ISTIO_MUTUAL'
  const defaults = tlsDefaults(target.mesh, isMeshTls, findings)
  if (isMeshTls) {
    return { type: 'tls', plan: { ...meshPlan(spec, target), ...parametersOf(defaults) } }
  }
  const client = mode === 'MUTUAL' ? clientCertificate(block, credentials, findings) : null
  if (client === 'refused') return REFUSED
  const ca =
    spec.credentialName === undefined ? null : authority(block, credentials, findings, mode)
  if (ca === 'refused') return REFUSED
  const caFile = spec.caCertificates
  const crl =
    spec.credentialName === undefined ? null : credentials.revocationList(spec.credentialName)
  const listedNames = spec.subjectAltNames ?? []
  return {
    type: 'tls',
    plan: {
      serverName: spec.sni === undefined || spec.sni === '' ? null : spec.sni,
      subjectAltNames: listedNames.length > 0 ? listedNames : service.subjectAltNames,
      ca,
      caFile: caFile === undefined || caFile === '' || caFile === SYSTEM_ROOTS ? null : caFile,
      client,
      insecureSkipVerify: spec.insecureSkipVerify ?? false,
      ...(crl === null ? {} : { crl }),
      ...(spec.caCrl === undefined || spec.caCrl === '' ? {} : { crlFile: spec.caCrl }),
      // As in Istio tlsDefaults.minProtocolVersion is for servers alone.
      ...parametersOf({ ...defaults, minVersion: null }),
    },
  }
}

function parametersOf({ minVersion, ciphers, curves }: TlsDefaults): Partial<UpstreamTlsPlan> {
  return {
    ...(minVersion === null ? {} : { minVersion }),
    ...(ciphers === null ? {} : { ciphers }),
    ...(curves === null ? {} : { curves }),
  }
}

/**
 * Mesh mutual TLS with the certificate files of the workload. The root of the mesh signs every
 * workload: without subjectAltNames those are believed that the endpoints run as.
 */
function meshPlan(spec: ClientTlsSpec, target: UpstreamTlsTarget): UpstreamTlsPlan {
  const { service, port, subset } = target
  const folder = target.meshCertificates ?? DEFAULT_MESH_CERTIFICATES
  const certificate = `${folder}/cert-chain.pem`
  const listedNames = spec.subjectAltNames ?? []
  const given = spec.sni === undefined || spec.sni === '' ? null : spec.sni
  return {
    serverName: given ?? `outbound_.${port}_.${subset}_.${service.host}`,
    subjectAltNames: listedNames.length > 0 ? listedNames : meshNames(target),
    ca: null,
    caFile: `${folder}/root-cert.pem`,
    client: { kind: 'files', name: `file://${certificate}`, certificate, key: `${folder}/key.pem` },
    insecureSkipVerify: false,
    mesh: true,
  }
}

/**
 * Names of the ServiceEntry, else SPIFFE ids of the service accounts behind the endpoints; none of
 * them known: the chain alone decides.
 */
function meshNames({ service, mesh }: UpstreamTlsTarget): readonly string[] {
  if (service.subjectAltNames.length > 0) return service.subjectAltNames
  const identities = new Set<string>()
  for (const { endpoints } of service.ports.values()) {
    for (const { identity } of endpoints) if (identity !== undefined) identities.add(identity)
  }
  const domains = [mesh.trustDomain ?? DEFAULT_TRUST_DOMAIN, ...(mesh.trustDomainAliases ?? [])]
  const names = [...identities].toSorted()
  return domains.flatMap((domain) => names.map((name) => `spiffe://${domain}/${name}`))
}

function clientCertificate(
  block: PlacedBlock<ClientTlsSpec>,
  credentials: Credentials,
  findings: Findings,
): CertificateSource | 'refused' {
  const { spec, place } = block
  if (spec.credentialName === undefined) {
    const certificate = spec.clientCertificate ?? ''
    return { kind: 'files', name: `file://${certificate}`, certificate, key: spec.privateKey ?? '' }
  }
  const pair = credentials.keyPair(spec.credentialName)
  if (pair.found) return pair.value
  const path = [...place.path, 'credentialName']
  const { code, message, hint } = pair.fault
  findings.report('error', code, { resource: place.resource, path }, message, hint)
  return 'refused'
}

/** A SIMPLE credential exists to carry the CA; with MUTUAL the system's roots may serve instead. */
function authority(
  block: PlacedBlock<ClientTlsSpec>,
  credentials: Credentials,
  findings: Findings,
  mode: 'SIMPLE' | 'MUTUAL',
): string | null | 'refused' {
  const { spec, place } = block
  const name = spec.credentialName ?? ''
  const bundle = credentials.certificateAuthority(name)
  if (bundle !== null || spec.insecureSkipVerify === true) return bundle
  if (mode === 'MUTUAL') return null
  findings.report(
    'error',
    'secret-keys-missing',
    { resource: place.resource, path: [...place.path, 'credentialName'] },
    `neither Secret ${name}-cacert nor ${name} has a CA bundle (ca.crt or cacert) in the namespace of the gateway`,
  )
  return 'refused'
}

import { parseDocuments } from './document.ts'
import { DocumentFindings } from './document-findings.ts'
import { DocumentLocation } from './document-location.ts'
import { isMapping } from './mapping.ts'
import type { Problem } from './problems.ts'
import type { ResourceSet } from './resource-set.ts'
import {
  boolean,
  duration,
  ignored,
  type Infer,
  integer,
  list,
  object,
  oneOf,
  string,
  map,
} from './schema.ts'
import { localityLbSetting } from './kinds/istio-common.ts'
import { checkShape } from './shape.ts'

/** ProxyConfig.connectionSettings: what a connection from a client may cost. */
const connectionSettings = object({
  profile: oneOf('SIDECAR', 'EDGE'),
  listenerPerConnectionBufferLimitBytes: integer,
  clusterPerConnectionBufferLimitBytes: integer,
  httpIdleTimeout: duration,
  httpMaxConnectionDuration: duration,
  httpDrainTimeout: duration,
  httpRequestTimeout: duration,
  httpRequestHeadersTimeout: duration,
  httpStreamIdleTimeout: duration,
  httpMaxStreamDuration: duration,
  httpMaxConcurrentStreams: integer,
  http2InitialStreamWindowSize: integer,
  http2InitialConnectionWindowSize: integer,
  httpHeadersWithUnderscoresAction: oneOf(
    'HEADERS_WITH_UNDERSCORES_UNSPECIFIED',
    'HEADERS_WITH_UNDERSCORES_ALLOW',
    'HEADERS_WITH_UNDERSCORES_REJECT_REQUEST',
    'HEADERS_WITH_UNDERSCORES_DROP_HEADER',
  ),
  httpMergeSlashes: boolean,
  httpPathWithEscapedSlashesAction: oneOf(
    'PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED',
    'KEEP_UNCHANGED',
    'REJECT_REQUEST',
    'UNESCAPE_AND_REDIRECT',
    'UNESCAPE_AND_FORWARD',
  ),
  listenerConnectionLimit: integer,
  globalDownstreamConnectionLimit: integer,
})
export type ConnectionSettingsSpec = Infer<typeof connectionSettings>

/** Istio MeshConfig, the fields an edge reads. Other fields are Problems of severity info. */
export const meshConfigSchema = object({
  outboundTrafficPolicy: object({
    mode: oneOf('REGISTRY_ONLY', 'ALLOW_ANY', 'ALLOW_ANY_DYNAMIC_DNS'),
    egressProxy: object({ host: string, subset: string, port: object({ number: integer }) }),
  }),
  connectTimeout: duration,
  tcpKeepalive: object({ probes: integer, time: duration, interval: duration }),
  defaultHttpRetryPolicy: object({
    attempts: integer,
    perTryTimeout: duration,
    retryOn: string,
    retryRemoteLocalities: boolean,
    retryIgnorePreviousHosts: boolean,
    backoff: duration,
  }),
  accessLogFile: string,
  accessLogFormat: string,
  accessLogEncoding: oneOf('TEXT', 'JSON'),
  pathNormalization: object({
    normalization: oneOf('DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'),
  }),
  h2UpgradePolicy: oneOf('DO_NOT_UPGRADE', 'UPGRADE'),
  localityLbSetting,
  tlsDefaults: object({
    minProtocolVersion: oneOf('TLS_AUTO', 'TLSV1_2', 'TLSV1_3'),
    ecdhCurves: list(string),
    cipherSuites: list(string),
  }),
  meshMTLS: object({
    minProtocolVersion: oneOf('TLS_AUTO', 'TLSV1_2', 'TLSV1_3'),
    ecdhCurves: ignored(list(string), 'curves of mesh TLS cannot be chosen, in Istio either'),
    cipherSuites: list(string),
  }),
  rootNamespace: string,
  defaultServiceExportTo: list(string),
  defaultVirtualServiceExportTo: list(string),
  defaultDestinationRuleExportTo: list(string),
  trustDomain: string,
  trustDomainAliases: list(string),
  proxyHttpPort: integer,
  dnsRefreshRate: duration,
  enableTracing: ignored(boolean, 'no traces are exported'),
  enableAutoMtls: ignored(
    boolean,
    'endpoints are reached in plaintext unless a DestinationRule says otherwise',
  ),
  defaultConfig: object({
    gatewayTopology: object({
      numTrustedProxies: integer,
      forwardClientCertDetails: oneOf(
        'UNDEFINED',
        'SANITIZE',
        'FORWARD_ONLY',
        'APPEND_FORWARD',
        'SANITIZE_SET',
        'ALWAYS_FORWARD_ONLY',
      ),
      proxyProtocol: object({}),
    }),
    proxyHeaders: object({
      server: object({ disabled: boolean, value: string }),
      requestId: object({ disabled: boolean }),
      attemptCount: object({ disabled: boolean }),
      envoyDebugHeaders: object({ disabled: boolean }),
      preserveHttp1HeaderCase: boolean,
      setCurrentClientCertDetails: object({
        subject: boolean,
        cert: boolean,
        chain: boolean,
        dns: boolean,
        uri: boolean,
      }),
      xForwardedHost: object({ enabled: boolean }),
      xForwardedPort: object({ enabled: boolean }),
    }),
    connectionSettings,
    drainDuration: duration,
    terminationDrainDuration: ignored(duration, '--drain-delay and --drain-timeout decide'),
    proxyMetadata: ignored(map(string), 'there is no Envoy to hand it to'),
  }),
})
export type MeshConfigSpec = Infer<typeof meshConfigSchema>

export interface MeshConfigReading {
  /** What could be read; fields with an error are left out. No defaults are filled in. */
  readonly spec: MeshConfigSpec
  /** An error among them means: better keep the MeshConfig there was. */
  readonly problems: readonly Problem[]
}

/** The ConfigMap and key Istio keeps MeshConfig under. */
const CONFIG_MAP = 'istio'
const KEY = 'mesh'

/** Reads a MeshConfig file: the mesh configuration itself, or the ConfigMap that holds it. */
export function parseMeshConfig(text: string, file: string | null): MeshConfigReading {
  const parsed = parseDocuments(text, file)
  const [document] = parsed.documents
  if (document === undefined) return { spec: {}, problems: parsed.problems }
  const { value } = document
  const location = new DocumentLocation(file, document.positions)
  if (isMapping(value) && value['kind'] === 'ConfigMap') {
    const inner = isMapping(value['data']) ? value['data'][KEY] : undefined
    if (typeof inner === 'string')
      return moved(parseMeshConfig(inner, file), location.lineOf(['data', KEY]))
  }
  const findings = new DocumentFindings(location)
  findings.problems.push(...parsed.problems, ...document.problems)
  if (parsed.documents.length > 1) {
    const hint = 'keep one document in the file'
    findings.report(
      'warning',
      'more-documents',
      [],
      'only the first document of the file is read',
      hint,
    )
  }
  const shape = checkShape(meshConfigSchema, value, {
    path: [],
    compat: false,
    unknownFields: 'note',
    showValues: true,
    sink: findings,
  })
  return { spec: (shape.value ?? {}) as MeshConfigSpec, problems: findings.bounded() }
}

/** MeshConfig from the ConfigMap `istio`, key `mesh`, of the root namespace; null when there is none. */
export function findMeshConfig(set: ResourceSet, rootNamespace: string): MeshConfigReading | null {
  for (const { metadata, spec, location } of set.configMaps) {
    const text = spec.data?.[KEY]
    if (metadata.name !== CONFIG_MAP || metadata.namespace !== rootNamespace || text === undefined)
      continue
    return moved(parseMeshConfig(text, location.file), location.lineOf(['data', KEY]) ?? 1)
  }
  return null
}

/** Lines of a text inside a block scalar, which begins on the line after its key. */
function moved(reading: MeshConfigReading, keyLine: number): MeshConfigReading {
  const problems = reading.problems.map((problem) => ({
    ...problem,
    path: ['data', KEY, ...problem.path],
    line: problem.line === null ? null : problem.line + keyLine,
    column: null,
  }))
  return { spec: reading.spec, problems }
}

import { parseDurationMs } from '../base/duration.ts'
import type { ConnectionSettingsSpec, MeshConfigSpec } from '../config/mesh-config.ts'
import type { ConnectionSettings, PathSettings } from '../snapshot/connection-settings.ts'
import type { Findings } from './findings.ts'

/** Fields of Istio's EDGE profile that are not our defaults anyway. */
const EDGE: ConnectionSettingsSpec = {
  clusterPerConnectionBufferLimitBytes: 32_768,
  httpIdleTimeout: '1h',
  httpRequestHeadersTimeout: '60s',
  httpMergeSlashes: true,
  httpPathWithEscapedSlashesAction: 'UNESCAPE_AND_REDIRECT',
}

/** One address may hold this many; proxies in front that are trusted may hold any number. */
const CONNECTIONS_PER_ADDRESS = 1_000
const MAX_INT32 = 2_147_483_647
/** The initial window of RFC 9113, and the smallest one Istio admits. */
const MIN_WINDOW_BYTES = 65_535
const MIN_BUFFER_BYTES = 1_024
const UPSTREAM_BUFFER_BYTES = 65_536

/**
 * What connections from clients may cost. Without a profile (SIDECAR, "no defaults" in Istio) our
 * own defaults stand, which are those of an edge: Envoy's leave head, request and connection
 * counts unlimited. A field that is given wins over profile, default and MeshConfig.pathNormalization.
 */
export function connectionSettings(
  mesh: MeshConfigSpec,
  compat: boolean,
  findings: Findings,
): ConnectionSettings {
  const given = mesh.defaultConfig?.connectionSettings ?? {}
  const profile = given.profile ?? 'SIDECAR'
  const spec = profile === 'EDGE' ? { ...EDGE, ...given } : given
  const range = new Ranges(given, findings)
  // Read where clusters are compiled; only reported here.
  range.read('clusterPerConnectionBufferLimitBytes', MIN_BUFFER_BYTES)
  const trustedProxies = mesh.defaultConfig?.gatewayTopology?.numTrustedProxies ?? 0
  return {
    profile,
    bufferBytes: range.read('listenerPerConnectionBufferLimitBytes', MIN_BUFFER_BYTES) ?? 32_768,
    headTimeoutMs: timeout(spec.httpRequestHeadersTimeout, 10_000),
    requestTimeoutMs: timeout(spec.httpRequestTimeout, 300_000),
    streamIdleTimeoutMs: timeout(spec.httpStreamIdleTimeout, 300_000),
    maxStreamDurationMs: timeout(spec.httpMaxStreamDuration, Infinity),
    idleTimeoutMs: timeout(spec.httpIdleTimeout, 75_000),
    maxAgeMs: timeout(spec.httpMaxConnectionDuration, 3_600_000),
    drainTimeoutMs: milliseconds(spec.httpDrainTimeout, 5_000),
    writeStallTimeoutMs: 30_000,
    tunnelIdleTimeoutMs: 3_600_000,
    tlsHandshakeTimeoutMs: 10_000,
    maxRequestsPerConnection: 10_000,
    maxHeadBytes: 61_440,
    maxHeaderFields: 100,
    underscoreNames: underscoreNames(spec, compat),
    paths: pathSettings(mesh, spec),
    preserveHeaderCase: mesh.defaultConfig?.proxyHeaders?.preserveHttp1HeaderCase === true,
    http2: {
      maxConcurrentStreams: range.read('httpMaxConcurrentStreams', 1) ?? 100,
      streamWindowBytes: range.read('http2InitialStreamWindowSize', MIN_WINDOW_BYTES) ?? 65_536,
      connectionWindowBytes:
        range.read('http2InitialConnectionWindowSize', MIN_WINDOW_BYTES) ?? 1_048_576,
      pingIntervalMs: 30_000,
      pingTimeoutMs: 15_000,
      clientResetsPerSecond: 200,
      clientResetBurst: 1_000,
      serverResetLimit: 100,
      serverResetWindowMs: 10_000,
    },
    maxConnectionsPerListener: range.read('listenerConnectionLimit', 1) ?? Infinity,
    maxConnections: range.read('globalDownstreamConnectionLimit', 1),
    maxConnectionsPerAddress: trustedProxies > 0 ? Infinity : CONNECTIONS_PER_ADDRESS,
  }
}

/** Unsent bytes of an upstream connection before writers wait. */
export function upstreamBufferBytes(mesh: MeshConfigSpec): number {
  const given = mesh.defaultConfig?.connectionSettings ?? {}
  const spec = given.profile === 'EDGE' ? { ...EDGE, ...given } : given
  const bytes = spec.clusterPerConnectionBufferLimitBytes ?? UPSTREAM_BUFFER_BYTES
  return bytes >= MIN_BUFFER_BYTES && bytes <= MAX_INT32 ? bytes : UPSTREAM_BUFFER_BYTES
}

/** 0 switches a timer off, as in Envoy. */
function timeout(text: string | undefined, otherwise: number): number {
  const ms = milliseconds(text, otherwise)
  return ms === 0 ? Infinity : ms
}

function milliseconds(text: string | undefined, otherwise: number): number {
  return (text === undefined ? null : parseDurationMs(text)) ?? otherwise
}

function underscoreNames(
  spec: ConnectionSettingsSpec,
  compat: boolean,
): ConnectionSettings['underscoreNames'] {
  switch (spec.httpHeadersWithUnderscoresAction) {
    case 'HEADERS_WITH_UNDERSCORES_ALLOW':
      return 'allow'
    case 'HEADERS_WITH_UNDERSCORES_DROP_HEADER':
      return 'drop'
    case 'HEADERS_WITH_UNDERSCORES_REJECT_REQUEST':
      return 'reject'
    default:
      return compat && spec.profile !== 'EDGE' ? 'allow' : 'reject'
  }
}

/** MeshConfig.pathNormalization, refined field by field. */
function pathSettings(mesh: MeshConfigSpec, spec: ConnectionSettingsSpec): PathSettings {
  const level = mesh.pathNormalization?.normalization ?? 'DEFAULT'
  const merges = level === 'MERGE_SLASHES' || level === 'DECODE_AND_MERGE_SLASHES'
  return {
    normalize: level !== 'NONE',
    mergeSlashes: spec.httpMergeSlashes ?? merges,
    escapedSlashes: escapedSlashes(spec, level === 'DECODE_AND_MERGE_SLASHES'),
  }
}

function escapedSlashes(
  spec: ConnectionSettingsSpec,
  decodes: boolean,
): PathSettings['escapedSlashes'] {
  switch (spec.httpPathWithEscapedSlashesAction) {
    case 'KEEP_UNCHANGED':
      return 'keep'
    case 'REJECT_REQUEST':
      return 'reject'
    case 'UNESCAPE_AND_REDIRECT':
      return 'redirect'
    case 'UNESCAPE_AND_FORWARD':
      return 'forward'
    default:
      return decodes ? 'forward' : 'keep'
  }
}

type CountField = {
  [F in keyof ConnectionSettingsSpec]-?: NonNullable<ConnectionSettingsSpec[F]> extends number
    ? F
    : never
}[keyof ConnectionSettingsSpec]

/** Counts and sizes: what no wire can do is reported, and stands as if it were not there. */
class Ranges {
  readonly #spec: ConnectionSettingsSpec
  readonly #findings: Findings

  constructor(spec: ConnectionSettingsSpec, findings: Findings) {
    this.#spec = spec
    this.#findings = findings
  }

  /** null: not given, or out of range. */
  read(field: CountField, least: number): number | null {
    const value = this.#spec[field]
    if (value === undefined) return null
    if (value >= least && value <= MAX_INT32) return value
    this.#findings.reportGeneral(
      'warning',
      'connection-setting-out-of-range',
      `MeshConfig defaultConfig.connectionSettings.${field} ${value} is not between ${least} and ${MAX_INT32}: the default is used`,
      `write a number from ${least}`,
    )
    return null
  }
}

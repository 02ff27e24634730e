import type { ConnectionSettingsSpec, MeshConfigSpec } from '../config/mesh-config.ts'
import type {
  ConnectionSettings,
  Http2Settings,
  PathSettings,
} from '../snapshot/connection-settings.ts'
import type { Findings } from './findings.ts'
import { type LimitFlags, NO_LIMIT_FLAGS } from './limits/limit-table.ts'
import { LimitValues } from './limits/limit-values.ts'

/** Path rules of Istio's EDGE profile; its limits are in the table of limits. */
const EDGE: ConnectionSettingsSpec = {
  httpMergeSlashes: true,
  httpPathWithEscapedSlashesAction: 'UNESCAPE_AND_REDIRECT',
}

/**
 * What connections from clients may cost. Without a profile (SIDECAR, "no defaults" in Istio) our
 * own defaults stand, which are those of an edge: Envoy's leave head, request and connection
 * counts unlimited. A field that is given wins over `--limit`, profile and default, and over
 * MeshConfig.pathNormalization.
 */
export function connectionSettings(
  mesh: MeshConfigSpec,
  compat: boolean,
  findings: Findings,
  flags: LimitFlags = NO_LIMIT_FLAGS,
): ConnectionSettings {
  const given = mesh.defaultConfig?.connectionSettings ?? {}
  const profile = given.profile ?? 'SIDECAR'
  const limits = new LimitValues({ mesh, flags, compat }, findings)
  return {
    profile,
    bufferBytes: limits.number('buffer-bytes'),
    headTimeoutMs: limits.number('header-timeout'),
    requestTimeoutMs: limits.number('request-timeout'),
    streamIdleTimeoutMs: limits.number('stream-idle-timeout'),
    maxStreamDurationMs: limits.number('stream-duration'),
    idleTimeoutMs: limits.number('idle-timeout'),
    maxAgeMs: limits.number('connection-duration'),
    drainTimeoutMs: limits.number('connection-drain-timeout'),
    writeStallTimeoutMs: limits.number('write-stall-timeout'),
    tunnelIdleTimeoutMs: limits.number('tunnel-idle-timeout'),
    tlsHandshakeTimeoutMs: limits.number('tls-handshake-timeout'),
    lingerBytes: limits.number('linger-bytes'),
    lingerTimeoutMs: limits.number('linger-timeout'),
    maxRequestsPerConnection: limits.number('requests-per-connection'),
    maxHeadBytes: limits.number('head-bytes'),
    maxHeaderFields: limits.number('header-fields'),
    maxChunkExtensionBytes: limits.number('chunk-extension-bytes'),
    underscoreNames: limits.choice('header-underscores'),
    requestTrailers: limits.choice('request-trailers'),
    http10: limits.choice('http10'),
    paths: pathSettings(mesh, profile === 'EDGE' ? { ...EDGE, ...given } : given),
    preserveHeaderCase: mesh.defaultConfig?.proxyHeaders?.preserveHttp1HeaderCase === true,
    http2: http2Settings(limits),
    maxConnectionsPerListener: limits.number('connections-per-listener'),
    maxConnections: limits.connections,
    maxConnectionsPerAddress: limits.number('connections-per-address'),
    reservedFiles: limits.number('open-files-reserve'),
    egressTunnels: {
      perClient: limits.number('egress-tunnels-per-client'),
      maxDurationMs: limits.number('egress-tunnel-duration'),
      connectPorts: limits.choice('egress-connect-ports'),
      serverName: limits.choice('egress-server-name'),
    },
    limits: limits.effective(),
  }
}

function http2Settings(limits: LimitValues): Http2Settings {
  return {
    maxConcurrentStreams: limits.number('h2-concurrent-streams'),
    streamWindowBytes: limits.number('h2-stream-window'),
    connectionWindowBytes: limits.number('h2-connection-window'),
    pingIntervalMs: limits.number('h2-ping-interval'),
    pingTimeoutMs: limits.number('h2-ping-timeout'),
    clientResetsPerSecond: limits.number('h2-client-resets-per-second'),
    clientResetBurst: limits.number('h2-client-reset-burst'),
    serverResetLimit: limits.number('h2-server-resets'),
    serverResetWindowMs: limits.number('h2-server-reset-window'),
    controlFramesPerSecond: limits.number('h2-control-frames-per-second'),
    controlFrameBurst: limits.number('h2-control-frame-burst'),
    otherBytesPerSecond: limits.number('h2-other-bytes-per-second'),
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

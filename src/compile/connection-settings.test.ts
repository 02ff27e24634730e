import { describe, expect, test } from 'vitest'
import type { ConnectionSettingsSpec } from '../config/mesh-config.ts'
import type { ConnectionSettings, PathSettings } from '../snapshot/connection-settings.ts'
import { connectionSettings } from './connection-settings.ts'
import { Findings } from './findings.ts'
import { connectionLimits } from './policy/connection-limits.ts'

function settingsOf(spec: ConnectionSettingsSpec, compat = false): ConnectionSettings {
  const findings = new Findings()
  const mesh = { defaultConfig: { connectionSettings: spec } }
  const settings = connectionSettings(mesh, compat, findings)
  expect(findings.sorted()).toEqual([])
  return settings
}

test('without settings those of an edge stand, stricter than EDGE where that breaks nobody', () => {
  const { limits, ...settings } = connectionSettings({}, false, new Findings())
  expect(new Set(limits.map(({ source }) => source))).toEqual(new Set(['default']))
  expect(settings).toEqual({
    profile: 'SIDECAR',
    bufferBytes: 32_768,
    egressTunnels: {
      connectPorts: 'common',
      maxDurationMs: Infinity,
      perClient: 1_000,
      serverName: 'match',
    },
    headTimeoutMs: 10_000,
    requestTimeoutMs: 300_000,
    streamIdleTimeoutMs: 300_000,
    maxStreamDurationMs: Infinity,
    idleTimeoutMs: 75_000,
    maxAgeMs: 3_600_000,
    drainTimeoutMs: 5_000,
    writeStallTimeoutMs: 30_000,
    tunnelIdleTimeoutMs: 3_600_000,
    tlsHandshakeTimeoutMs: 10_000,
    lingerBytes: 65_536,
    lingerTimeoutMs: 1_000,
    maxRequestsPerConnection: 10_000,
    maxHeadBytes: 61_440,
    maxHeaderFields: 100,
    maxChunkExtensionBytes: 65_536,
    requestTrailers: 'drop',
    http10: 'refuse',
    underscoreNames: 'reject',
    paths: { normalize: true, mergeSlashes: false, escapedSlashes: 'keep' },
    preserveHeaderCase: false,
    http2: {
      maxConcurrentStreams: 100,
      streamWindowBytes: 65_536,
      connectionWindowBytes: 1_048_576,
      pingIntervalMs: 30_000,
      pingTimeoutMs: 15_000,
      clientResetsPerSecond: 200,
      clientResetBurst: 1_000,
      serverResetLimit: 100,
      serverResetWindowMs: 10_000,
      controlFramesPerSecond: 200,
      controlFrameBurst: 1_000,
      otherBytesPerSecond: 65_536,
    },
    maxConnectionsPerListener: Infinity,
    maxConnections: null,
    maxConnectionsPerAddress: 1_000,
    reservedFiles: 64,
  })
})

test('profile EDGE is what Istio documents', () => {
  expect(settingsOf({ profile: 'EDGE' })).toMatchObject({
    profile: 'EDGE',
    bufferBytes: 32_768,
    headTimeoutMs: 60_000,
    requestTimeoutMs: 300_000,
    streamIdleTimeoutMs: 300_000,
    idleTimeoutMs: 3_600_000,
    underscoreNames: 'reject',
    paths: { normalize: true, mergeSlashes: true, escapedSlashes: 'redirect' },
    http2: {
      maxConcurrentStreams: 100,
      streamWindowBytes: 65_536,
      connectionWindowBytes: 1_048_576,
    },
  })
})

test.each([
  [{ listenerPerConnectionBufferLimitBytes: 4096 }, { bufferBytes: 4096 }],
  [{ httpIdleTimeout: '90s' }, { idleTimeoutMs: 90_000 }],
  [{ httpMaxConnectionDuration: '10m' }, { maxAgeMs: 600_000 }],
  [{ httpDrainTimeout: '0s' }, { drainTimeoutMs: 0 }],
  [{ httpRequestTimeout: '1m' }, { requestTimeoutMs: 60_000 }],
  [{ httpRequestHeadersTimeout: '2s' }, { headTimeoutMs: 2000 }],
  [{ httpStreamIdleTimeout: '0s' }, { streamIdleTimeoutMs: Infinity }],
  [{ httpMaxStreamDuration: '1h' }, { maxStreamDurationMs: 3_600_000 }],
  [{ httpMaxConnectionDuration: '0s' }, { maxAgeMs: Infinity }],
  [{ listenerConnectionLimit: 5 }, { maxConnectionsPerListener: 5 }],
  [{ globalDownstreamConnectionLimit: 9 }, { maxConnections: 9 }],
] satisfies readonly [ConnectionSettingsSpec, Partial<ConnectionSettings>][])(
  '%o gives %o, with the profile or without',
  (spec, expected) => {
    expect(settingsOf(spec)).toMatchObject(expected)
    expect(settingsOf({ ...spec, profile: 'EDGE' })).toMatchObject(expected)
  },
)

describe('paths', () => {
  const KEEP: PathSettings = { normalize: true, mergeSlashes: false, escapedSlashes: 'keep' }
  test.each([
    ['DEFAULT', {}, KEEP],
    ['NONE', {}, { ...KEEP, normalize: false }],
    ['MERGE_SLASHES', {}, { ...KEEP, mergeSlashes: true }],
    ['DECODE_AND_MERGE_SLASHES', {}, { ...KEEP, mergeSlashes: true, escapedSlashes: 'forward' }],
    [
      'DECODE_AND_MERGE_SLASHES',
      { httpMergeSlashes: false },
      { ...KEEP, escapedSlashes: 'forward' },
    ],
    [
      'MERGE_SLASHES',
      { httpPathWithEscapedSlashesAction: 'REJECT_REQUEST' },
      { ...KEEP, mergeSlashes: true, escapedSlashes: 'reject' },
    ],
    [
      'DECODE_AND_MERGE_SLASHES',
      { profile: 'EDGE' },
      { ...KEEP, mergeSlashes: true, escapedSlashes: 'redirect' },
    ],
    [
      'DECODE_AND_MERGE_SLASHES',
      { httpPathWithEscapedSlashesAction: 'PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED' },
      { ...KEEP, mergeSlashes: true, escapedSlashes: 'forward' },
    ],
  ] as const)('%s and %o', (normalization, spec, expected) => {
    const mesh = {
      pathNormalization: { normalization },
      defaultConfig: { connectionSettings: spec },
    }
    expect(connectionSettings(mesh, false, new Findings()).paths).toEqual(expected)
  })
})

test.each([
  ['', false, 'reject'],
  ['', true, 'allow'],
  ['HEADERS_WITH_UNDERSCORES_UNSPECIFIED', true, 'allow'],
  ['HEADERS_WITH_UNDERSCORES_REJECT_REQUEST', true, 'reject'],
  ['HEADERS_WITH_UNDERSCORES_DROP_HEADER', false, 'drop'],
] as const)('names with underscores under %j, compat %s: %s', (action, compat, expected) => {
  const spec = action === '' ? {} : { httpHeadersWithUnderscoresAction: action }
  expect(settingsOf(spec, compat).underscoreNames).toBe(expected)
  const edge = { profile: 'EDGE' as const }
  expect(settingsOf(edge, compat).underscoreNames).toBe('reject')
})

test('the buffer of upstream connections', () => {
  const bytes = (spec: ConnectionSettingsSpec): number =>
    connectionLimits(null, { defaultConfig: { connectionSettings: spec } }).bufferBytes
  expect(bytes({})).toBe(32_768)
  expect(bytes({ profile: 'EDGE' })).toBe(32_768)
  expect(bytes({ profile: 'EDGE', clusterPerConnectionBufferLimitBytes: 5000 })).toBe(5000)
  expect(bytes({ clusterPerConnectionBufferLimitBytes: 1 })).toBe(32_768)
})

test.each([
  'listenerPerConnectionBufferLimitBytes',
  'clusterPerConnectionBufferLimitBytes',
  'httpMaxConcurrentStreams',
  'http2InitialStreamWindowSize',
  'http2InitialConnectionWindowSize',
  'listenerConnectionLimit',
  'globalDownstreamConnectionLimit',
])('%s out of range is reported and its default stands', (field) => {
  const defaults = connectionSettings({}, false, new Findings())
  for (const value of [-1, 0, 2 ** 31]) {
    const findings = new Findings()
    const mesh = { defaultConfig: { connectionSettings: { [field]: value } } }
    expect(connectionSettings(mesh, false, findings)).toEqual(defaults)
    const [problem] = findings.sorted()
    expect(problem?.code).toBe('connection-setting-out-of-range')
    expect(problem?.message).toContain(`${field} ${value} `)
  }
})

test('trusted proxies in front may hold any number of connections', () => {
  const mesh = { defaultConfig: { gatewayTopology: { numTrustedProxies: 2 } } }
  const settings = connectionSettings(mesh, false, new Findings())
  expect(settings.maxConnectionsPerAddress).toBe(Infinity)
})

import { bytes, type ChoiceRow, choice, count, duration, type NumberRow } from './limit-row.ts'

const HOUR_MS = 3_600_000
const KIB = 1_024
const MIB = 1_048_576
/** The initial window of RFC 9113, and the smallest one Istio admits. */
const MIN_WINDOW_BYTES = 65_535
/** Smaller heads are refused by what ordinary browsers send. */
const HEAD_RANGE = { least: KIB, most: MIB }
const FIELDS_RANGE = { least: 1, most: 10_000 }
const PING_RANGE = { least: 100 }
const RESET_RANGE = { least: 1, most: 1_000_000 }
const CONTROL_FRAME_RANGE = { least: 1, most: 1_000_000 }
const NEVER = { unlimited: true }

const connections = {
  connections: count(null, 'Connections of all listeners together.', {
    field: 'globalDownstreamConnectionLimit',
    ...NEVER,
  }),
  'connections-per-listener': count(Infinity, 'Connections of one listener.', {
    field: 'listenerConnectionLimit',
    ...NEVER,
  }),
  'connections-per-address': count(
    1_000,
    'Connections from one address (IPv6: one /64). Raise it for clients behind one NAT; with numTrustedProxies there is no limit unless one is given.',
    NEVER,
  ),
  'open-files-reserve': count(
    64,
    'Open files that connections, also those to endpoints, leave to admin, logs and reloads; at most a quarter of all (ulimit -n).',
    { least: 0, most: 1_000_000 },
  ),
  'requests-per-connection': count(
    10_000,
    'Requests of one connection before it is closed (HTTP/2: GOAWAY).',
    NEVER,
  ),
  'connection-duration': duration(
    HOUR_MS,
    'Age at which a connection takes no new request; up to a tenth earlier, so that not all go at once.',
    { field: 'httpMaxConnectionDuration', ...NEVER },
  ),
  'connection-drain-timeout': duration(
    5_000,
    'How long a connection past its duration stays open while it is idle.',
    { field: 'httpDrainTimeout', least: 0 },
  ),
  'idle-timeout': duration(75_000, 'A connection without a request.', {
    field: 'httpIdleTimeout',
    edge: HOUR_MS,
    ...NEVER,
  }),
  'tls-handshake-timeout': duration(10_000, 'From the connection until TLS is set up.'),
  'tunnel-idle-timeout': duration(
    HOUR_MS,
    'A tunnel (WebSocket, CONNECT) without a byte from the client.',
    NEVER,
  ),
  'write-stall-timeout': duration(30_000, 'An answer of which the client takes no byte.', NEVER),
  'buffer-bytes': bytes(32_768, 'Unsent bytes of a connection before the upstream must wait.', {
    field: 'listenerPerConnectionBufferLimitBytes',
    least: KIB,
  }),
  'linger-bytes': bytes(
    65_536,
    'What is read of a request body nobody wants, to keep or politely close the connection.',
    { least: 0, most: 16 * MIB },
  ),
  'linger-timeout': duration(
    1_000,
    'How long that may take, and how long a client may take to close after the last answer.',
    { most: 60_000 },
  ),
}

const requests = {
  'header-timeout': duration(10_000, 'From the first byte of a request head to its end.', {
    field: 'httpRequestHeadersTimeout',
    edge: 60_000,
    ...NEVER,
  }),
  'request-timeout': duration(
    300_000,
    'From the first byte of a request to the end of its body, or until its answer begins. Does not run while the gateway holds the body back.',
    { field: 'httpRequestTimeout', ...NEVER },
  ),
  'stream-idle-timeout': duration(
    300_000,
    'A request and its answer without a byte in either direction.',
    { field: 'httpStreamIdleTimeout', ...NEVER },
  ),
  'stream-duration': duration(Infinity, 'From a request head to the end of its answer.', {
    field: 'httpMaxStreamDuration',
    ...NEVER,
  }),
  'head-bytes': bytes(61_440, 'Start line and fields of a request, and each trailer section.', {
    ...HEAD_RANGE,
  }),
  'header-fields': count(100, 'Field lines of a request, and of its trailers.', FIELDS_RANGE),
  'chunk-extension-bytes': bytes(65_536, 'Chunk extensions of one request body, all together.', {
    least: 0,
    most: MIB,
  }),
  'header-underscores': choice(
    ['reject', 'drop', 'allow'],
    'Names of headers and trailers with an underscore: 400, left out, or passed on. `allow` is the default with --compat.',
    {
      field: 'httpHeadersWithUnderscoresAction',
      ofField: [
        ['HEADERS_WITH_UNDERSCORES_REJECT_REQUEST', 'reject'],
        ['HEADERS_WITH_UNDERSCORES_DROP_HEADER', 'drop'],
        ['HEADERS_WITH_UNDERSCORES_ALLOW', 'allow'],
      ],
      edge: 'reject',
    },
  ),
  'request-trailers': choice(
    ['drop', 'forward'],
    'Trailers of HTTP/1.1 requests; those that frame, route or identify are never passed on. HTTP/2 trailers always are, under the same rule.',
  ),
  http10: choice(
    ['refuse', 'accept'],
    'HTTP/1.0 requests: 426, or served with the connection closed after the answer.',
  ),
}

const http2 = {
  'h2-concurrent-streams': count(100, 'Streams a client may have open on one connection.', {
    field: 'httpMaxConcurrentStreams',
  }),
  'h2-stream-window': bytes(65_536, 'Flow-control window of one stream.', {
    field: 'http2InitialStreamWindowSize',
    least: MIN_WINDOW_BYTES,
  }),
  'h2-connection-window': bytes(MIB, 'Flow-control window of one connection.', {
    field: 'http2InitialConnectionWindowSize',
    least: MIN_WINDOW_BYTES,
  }),
  'h2-ping-interval': duration(
    30_000,
    'Silence of the client, with streams open, before a PING asks whether it is alive.',
    { ...PING_RANGE, ...NEVER },
  ),
  'h2-ping-timeout': duration(15_000, 'Time for the answer to that PING.'),
  'h2-client-resets-per-second': count(
    200,
    'Streams a client may reset, sustained (CVE-2023-44487).',
    RESET_RANGE,
  ),
  'h2-client-reset-burst': count(1_000, 'The same, at once.', RESET_RANGE),
  'h2-server-resets': count(
    100,
    'Streams a client may make the gateway reset within h2-server-reset-window, for a head that is too large or for any frame that breaks a rule (CVE-2025-8671). An answer is no reset, 400 and 431 neither.',
    RESET_RANGE,
  ),
  'h2-server-reset-window': duration(10_000, 'The time h2-server-resets counts.', {
    most: HOUR_MS,
  }),
  'h2-control-frames-per-second': count(
    200,
    'PING and SETTINGS frames a client may send, sustained. Each piece of a body that is sent to it allows one more: gRPC clients measure the line with them.',
    CONTROL_FRAME_RANGE,
  ),
  'h2-control-frame-burst': count(1_000, 'The same, at once.', CONTROL_FRAME_RANGE),
  'h2-other-bytes-per-second': bytes(
    65_536,
    'Bytes from a client that belong to no request, sustained: WINDOW_UPDATE, PRIORITY, padding. 16 seconds of it may come at once; requests and bodies in either direction allow more.',
    { least: KIB },
  ),
}

const upstream = {
  'upstream-buffer-bytes': bytes(
    32_768,
    'Unsent bytes of an upstream connection (HTTP/2: of a stream) before the client must wait.',
    { field: 'clusterPerConnectionBufferLimitBytes', least: KIB },
  ),
  'upstream-head-bytes': bytes(
    61_440,
    'Status line and fields of an answer, and each trailer section.',
    HEAD_RANGE,
  ),
  'upstream-header-fields': count(100, 'Field lines of an answer, and of its trailers.', {
    ...FIELDS_RANGE,
  }),
  'upstream-chunk-extension-bytes': bytes(65_536, 'Chunk extensions of one answer, all together.', {
    least: 0,
    most: MIB,
  }),
  'upstream-informational-responses': count(32, '1xx answers before the answer to one request.', {
    least: 0,
    most: 1_000,
  }),
  'upstream-informational-bytes': bytes(
    16_384,
    'Their heads, all together; in HTTP/2 with 32 bytes more for each field.',
    { least: 0, most: MIB },
  ),
  // Odd on purpose, see H2ConnectionSettings.
  'upstream-h2-stream-window': bytes(65_535, 'Flow-control window of one stream.', {
    least: MIN_WINDOW_BYTES,
  }),
  'upstream-h2-connection-window': bytes(MIB, 'Flow-control window of one connection.', {
    least: MIN_WINDOW_BYTES,
  }),
  'upstream-h2-ping-interval': duration(
    30_000,
    'Silence of the upstream, with streams open, before a PING asks whether it is alive.',
    PING_RANGE,
  ),
  'upstream-h2-ping-timeout': duration(15_000, 'Time for the answer to that PING.'),
}

const egress = {
  'egress-tunnels-per-client': count(
    1_000,
    'Tunnels (CONNECT, SOCKS, TLS by server name) one address (IPv6: one /64) may have open.',
    NEVER,
  ),
  'egress-tunnel-duration': duration(Infinity, 'A tunnel, from its opening to its end.', NEVER),
  'egress-connect-ports': choice(
    ['common', 'web', 'any'],
    'Ports of hosts nobody declares that a tunnel may lead to: 80, 443 and all from 1024 (`common`), 80 and 443 (`web`), or every port.',
  ),
  'egress-server-name': choice(
    ['match', 'any'],
    'The TLS server name inside a tunnel: that of the CONNECT, or a host of the same ServiceEntry (`match`), or whatever the client says.',
  ),
}

/** Every limit and timer that is settable, by its name in `--limit NAME=VALUE`. */
export const LIMITS = { ...connections, ...requests, ...http2, ...upstream, ...egress }

export const LIMIT_CHAPTERS = [
  ['Connections from clients', connections],
  ['Requests', requests],
  ['HTTP/2 from clients', http2],
  ['Upstream connections', upstream],
  ['Egress proxy', egress],
] as const

export type LimitName = keyof typeof LIMITS
type Names<R> = { [N in LimitName]: (typeof LIMITS)[N] extends R ? N : never }[LimitName]
export type NumberLimit = Names<NumberRow>
export type ChoiceLimit = Names<ChoiceRow>
export type ChoiceOf<N extends ChoiceLimit> = (typeof LIMITS)[N]['byDefault']

export const LIMIT_NAMES = Object.keys(LIMITS) as readonly LimitName[]

/** What `--limit` said: a number in the row's unit, or one of its choices. */
export type LimitFlags = ReadonlyMap<LimitName, number | string>

export const NO_LIMIT_FLAGS: LimitFlags = new Map()

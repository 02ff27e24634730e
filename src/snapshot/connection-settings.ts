import type { EffectiveLimit } from './effective-limit.ts'

/** What a path goes through before it is routed and forwarded. */
export interface PathSettings {
  /** RFC 3986: unreserved characters decoded, dot segments removed, `\` turned into `/`. */
  readonly normalize: boolean
  readonly mergeSlashes: boolean
  /** `%2F` and `%5C`: left alone, 400, 307 to the path without them, or decoded and forwarded. */
  readonly escapedSlashes: 'keep' | 'reject' | 'redirect' | 'forward'
}

/** HTTP/2 from clients. */
export interface Http2Settings {
  readonly maxConcurrentStreams: number
  readonly streamWindowBytes: number
  readonly connectionWindowBytes: number
  /** Silence from the client, with streams open, before a PING asks whether it is alive. */
  readonly pingIntervalMs: number
  readonly pingTimeoutMs: number
  /** Streams reset by the client: sustained rate and burst (CVE-2023-44487). */
  readonly clientResetsPerSecond: number
  readonly clientResetBurst: number
  /** Streams the client made us reset within the window (CVE-2025-8671). */
  readonly serverResetLimit: number
  readonly serverResetWindowMs: number
  /** PING and SETTINGS frames from the client: sustained rate and burst. */
  readonly controlFramesPerSecond: number
  readonly controlFrameBurst: number
  /** Bytes from the client that belong to no request, sustained. */
  readonly otherBytesPerSecond: number
}

/** What a client of the egress proxy may do with tunnels. */
export interface EgressTunnelSettings {
  /** Open at one time, by client address (IPv6: /64). */
  readonly perClient: number
  readonly maxDurationMs: number
  /** Ports of undeclared hosts: 80, 443 and from 1024; 80 and 443; every port. */
  readonly connectPorts: 'common' | 'web' | 'any'
  /** Whether the TLS server name must be that of the host asked for. */
  readonly serverName: 'match' | 'any'
}

/**
 * Limits and timers of connections from clients: MeshConfig defaultConfig.connectionSettings and
 * `--limit` with every default filled in. Connections opened under a snapshot keep its settings. Times are
 * milliseconds (Infinity: never), sizes bytes, counts Infinity for no limit.
 */
export interface ConnectionSettings {
  readonly profile: 'SIDECAR' | 'EDGE'
  /** Unsent bytes per connection before writers wait. */
  readonly bufferBytes: number
  readonly headTimeoutMs: number
  readonly requestTimeoutMs: number
  /** A request and its answer without a byte in either direction. */
  readonly streamIdleTimeoutMs: number
  readonly maxStreamDurationMs: number
  readonly idleTimeoutMs: number
  /** After this age a connection takes no new request; up to a tenth earlier, so that not all go at once. */
  readonly maxAgeMs: number
  /** From the announcement that a connection ends until it is closed when nothing is under way. */
  readonly drainTimeoutMs: number
  /** An answer of which the client takes no byte. */
  readonly writeStallTimeoutMs: number
  /** A tunnel without a byte from the client. */
  readonly tunnelIdleTimeoutMs: number
  readonly tlsHandshakeTimeoutMs: number
  /** How much of a request body nobody wants is read to keep, or politely close, a connection. */
  readonly lingerBytes: number
  readonly lingerTimeoutMs: number
  readonly maxRequestsPerConnection: number
  readonly maxHeadBytes: number
  readonly maxHeaderFields: number
  /** Chunk extensions of one request body. */
  readonly maxChunkExtensionBytes: number
  readonly underscoreNames: 'reject' | 'drop' | 'allow'
  /** Of HTTP/1.1 requests. */
  readonly requestTrailers: 'drop' | 'forward'
  readonly http10: 'refuse' | 'accept'
  readonly paths: PathSettings
  /** ProxyConfig.proxyHeaders.preserveHttp1HeaderCase. */
  readonly preserveHeaderCase: boolean
  readonly http2: Http2Settings
  /** Connections of one listener. */
  readonly maxConnectionsPerListener: number
  /** Connections of all listeners; null: as many as open files allow, 50,000 at most. */
  readonly maxConnections: number | null
  /** Connections from one address (IPv6: one /64). */
  readonly maxConnectionsPerAddress: number
  /** Open files that connections of both sides leave to everything else; at most a quarter of all. */
  readonly reservedFiles: number
  readonly egressTunnels: EgressTunnelSettings
  /** All of the above, and the limits of upstream connections, as people name them. */
  readonly limits: readonly EffectiveLimit[]
}

import { BASE_PATH_RULES, type PathRules } from './path-normalization.ts'
import type { UnderscoreNames } from './field-block.ts'

/**
 * Limits and timers of one HTTP server. Times are milliseconds, sizes bytes. The defaults are those
 * of an edge: stricter than Envoy's sidecar defaults, close to Istio's EDGE connection profile.
 */
export class HttpSettings {
  /** From the first byte of a head to its end. */
  readonly headTimeoutMs: number
  /**
   * From the first byte of a request to the end of its body, or until its answer begins. Does not
   * run while the handler takes none of the body.
   */
  readonly requestTimeoutMs: number
  /** A request and its answer without a byte in either direction; accurate to a quarter of it. */
  readonly streamIdleTimeoutMs: number
  /** From the head of a request to the end of its answer. */
  readonly maxStreamDurationMs: number
  /** A connection of this age takes no further request. */
  readonly maxAgeMs: number
  /** How long a connection that is too old stays open while it is idle. */
  readonly drainTimeoutMs: number
  /** A connection between two requests, or before its first. */
  readonly idleTimeoutMs: number
  /** An answer that waits for the client, of which no byte leaves. */
  readonly writeStallTimeoutMs: number
  /** A tunnel without a byte from the client. */
  readonly tunnelIdleTimeoutMs: number
  readonly maxRequestsPerConnection: number
  /** Start line and field lines; also each trailer section. */
  readonly maxHeadBytes: number
  readonly maxHeaderFields: number
  /** Chunk extensions of one body, all together. */
  readonly maxChunkExtensionBytes: number
  /** sendBody returns false beyond this many unsent bytes; give it to the listening socket too. */
  readonly highWaterBytes: number
  /** How much of an unread request body is read to keep, or politely close, the connection. */
  readonly lingerBytes: number
  readonly lingerTimeoutMs: number
  readonly paths: PathRules
  readonly acceptHttp10: boolean
  readonly underscoreNames: UnderscoreNames
  /** Keep the spelling of field names (ProxyConfig.proxyHeaders.preserveHttp1HeaderCase). */
  readonly preserveHeaderCase: boolean
  /** Hand request trailers to the exchange (without those that frame, route or identify). */
  readonly forwardRequestTrailers: boolean
  /** Read into the buffer all sockets share where that is possible; off for ordinary reads. */
  readonly sharedReads: boolean

  constructor(settings: Partial<HttpSettings> = {}) {
    this.headTimeoutMs = settings.headTimeoutMs ?? 10_000
    this.requestTimeoutMs = settings.requestTimeoutMs ?? 300_000
    this.streamIdleTimeoutMs = settings.streamIdleTimeoutMs ?? 300_000
    this.maxStreamDurationMs = settings.maxStreamDurationMs ?? Infinity
    this.maxAgeMs = settings.maxAgeMs ?? 3_600_000
    this.drainTimeoutMs = settings.drainTimeoutMs ?? 5_000
    this.idleTimeoutMs = settings.idleTimeoutMs ?? 75_000
    this.writeStallTimeoutMs = settings.writeStallTimeoutMs ?? 30_000
    this.tunnelIdleTimeoutMs = settings.tunnelIdleTimeoutMs ?? 3_600_000
    this.maxRequestsPerConnection = settings.maxRequestsPerConnection ?? 10_000
    this.maxHeadBytes = settings.maxHeadBytes ?? 61_440
    this.maxHeaderFields = settings.maxHeaderFields ?? 100
    this.maxChunkExtensionBytes = settings.maxChunkExtensionBytes ?? 65_536
    this.highWaterBytes = settings.highWaterBytes ?? 32_768
    this.lingerBytes = settings.lingerBytes ?? 65_536
    this.lingerTimeoutMs = settings.lingerTimeoutMs ?? 1_000
    this.paths = settings.paths ?? BASE_PATH_RULES
    this.acceptHttp10 = settings.acceptHttp10 ?? false
    this.underscoreNames = settings.underscoreNames ?? 'reject'
    this.preserveHeaderCase = settings.preserveHeaderCase ?? false
    this.forwardRequestTrailers = settings.forwardRequestTrailers ?? false
    this.sharedReads = settings.sharedReads ?? true
  }
}

import type { UnderscoreNames } from './field-block.ts'
import { BASE_PATH_RULES, type PathRules } from './path-normalization.ts'

/**
 * Limits and timers of HTTP/2 connections from clients. Times are milliseconds, sizes bytes. Where
 * Istio's EDGE connection profile has a value, the default is that value.
 */
export class H2Settings {
  /** SETTINGS_MAX_CONCURRENT_STREAMS. */
  readonly maxConcurrentStreams: number
  /** Flow-control window of one stream. */
  readonly streamWindowBytes: number
  /** Flow-control window of the whole connection. */
  readonly connectionWindowBytes: number
  /** sendBody returns false beyond this many unsent bytes. */
  readonly highWaterBytes: number
  /** SETTINGS_MAX_HEADER_LIST_SIZE: a stream with a longer list is reset. */
  readonly maxHeadBytes: number
  /** Field lines of a request, cookie crumbs counted one by one; more is answered 431. */
  readonly maxHeaderFields: number
  /** A header block that was begun must be complete within this time. */
  readonly headTimeoutMs: number
  /**
   * From the head until the request is complete. Ends with the response head: from there on a
   * stream may run both ways for as long as bytes move.
   */
  readonly requestTimeoutMs: number
  /** Longest silence of a stream in both directions. */
  readonly streamIdleTimeoutMs: number
  /** From the head of a request to the end of its answer. */
  readonly maxStreamDurationMs: number
  /** Longest time in which the client takes no byte of a response that waits for it. */
  readonly writeStallTimeoutMs: number
  /** A connection without streams gets GOAWAY after this time. */
  readonly idleTimeoutMs: number
  /** GOAWAY after this age, idle or not. */
  readonly maxAgeMs: number
  /** How long a client may take to close after the last stream of a GOAWAY. */
  readonly lingerTimeoutMs: number
  readonly maxRequestsPerConnection: number
  /** Silence from the client, with streams open, before a PING asks whether it is alive. */
  readonly pingIntervalMs: number
  /** Time for the answer to that PING. */
  readonly pingTimeoutMs: number
  /** Streams reset by the client: sustained rate (CVE-2023-44487). */
  readonly clientResetsPerSecond: number
  readonly clientResetBurst: number
  /** Streams the client made us reset within `serverResetWindowMs` (CVE-2025-8671). */
  readonly serverResetLimit: number
  readonly serverResetWindowMs: number
  /** PING and SETTINGS frames from the client: sustained rate. A piece of body sent allows one more. */
  readonly controlFramesPerSecond: number
  readonly controlFrameBurst: number
  /** Bytes from the client that belong to no request (WINDOW_UPDATE, PRIORITY, padding), sustained. */
  readonly otherBytesPerSecond: number
  readonly paths: PathRules
  readonly underscoreNames: UnderscoreNames
  /** Accept plain CONNECT (RFC 9113 8.5); refused with 405 otherwise. */
  readonly allowConnect: boolean

  constructor(settings: Partial<H2Settings> = {}) {
    this.maxConcurrentStreams = settings.maxConcurrentStreams ?? 100
    this.streamWindowBytes = settings.streamWindowBytes ?? 65_536
    this.connectionWindowBytes = settings.connectionWindowBytes ?? 1_048_576
    this.highWaterBytes = settings.highWaterBytes ?? 32_768
    this.maxHeadBytes = settings.maxHeadBytes ?? 61_440
    this.maxHeaderFields = settings.maxHeaderFields ?? 100
    this.headTimeoutMs = settings.headTimeoutMs ?? 10_000
    this.requestTimeoutMs = settings.requestTimeoutMs ?? 300_000
    this.streamIdleTimeoutMs = settings.streamIdleTimeoutMs ?? 300_000
    this.maxStreamDurationMs = settings.maxStreamDurationMs ?? Infinity
    this.writeStallTimeoutMs = settings.writeStallTimeoutMs ?? 30_000
    this.idleTimeoutMs = settings.idleTimeoutMs ?? 75_000
    this.maxAgeMs = settings.maxAgeMs ?? 3_600_000
    this.lingerTimeoutMs = settings.lingerTimeoutMs ?? 1_000
    this.maxRequestsPerConnection = settings.maxRequestsPerConnection ?? 10_000
    this.pingIntervalMs = settings.pingIntervalMs ?? 30_000
    this.pingTimeoutMs = settings.pingTimeoutMs ?? 15_000
    this.clientResetsPerSecond = settings.clientResetsPerSecond ?? 200
    this.clientResetBurst = settings.clientResetBurst ?? 1_000
    this.serverResetLimit = settings.serverResetLimit ?? 100
    this.serverResetWindowMs = settings.serverResetWindowMs ?? 10_000
    this.controlFramesPerSecond = settings.controlFramesPerSecond ?? 200
    this.controlFrameBurst = settings.controlFrameBurst ?? 1_000
    this.otherBytesPerSecond = settings.otherBytesPerSecond ?? 65_536
    this.paths = settings.paths ?? BASE_PATH_RULES
    this.underscoreNames = settings.underscoreNames ?? 'reject'
    this.allowConnect = settings.allowConnect ?? false
  }
}

/** Limits of HTTP/2 connections to upstreams. Times are milliseconds, sizes bytes. */
export class H2ConnectionSettings {
  /**
   * Streams on one connection, whatever more the peer allows. Mirrors DestinationRule
   * connectionPool.http.maxConcurrentStreams; default as Envoy's.
   */
  readonly maxConcurrentStreams: number
  /** Flow-control window of one stream: what a response may hold in memory while it is paused. */
  readonly streamWindowBytes: number
  readonly connectionWindowBytes: number
  /** sendBody returns false beyond this many unsent bytes of a stream. */
  readonly highWaterBytes: number
  readonly maxHeadBytes: number
  readonly maxHeaderFields: number
  /** 1xx responses to one request. */
  readonly maxInformational: number
  /** Their heads, all together; as RFC 9113 6.5.2 counts: 32 for each field besides its letters. */
  readonly maxInformationalBytes: number
  /** Silence, with streams open, before a PING asks whether the peer is alive. */
  readonly pingIntervalMs: number
  /** Time for the answer to that PING. */
  readonly pingTimeoutMs: number
  /** Ask also while no stream is open. Mirrors DestinationRule connectionPool.http.http2KeepAlive. */
  readonly pingIdle: boolean
  /** How long the peer may take to close after close(). */
  readonly lingerTimeoutMs: number

  constructor(settings: Partial<H2ConnectionSettings> = {}) {
    this.maxConcurrentStreams = settings.maxConcurrentStreams ?? 2_147_483_647
    // Odd on purpose: a node:http2 server ends a body that exactly fills the window with a reset
    // instead of END_STREAM, and bodies of a multiple of 64 KiB are common.
    this.streamWindowBytes = settings.streamWindowBytes ?? 65_535
    this.connectionWindowBytes = settings.connectionWindowBytes ?? 1_048_576
    this.highWaterBytes = settings.highWaterBytes ?? 32_768
    this.maxHeadBytes = settings.maxHeadBytes ?? 61_440
    this.maxHeaderFields = settings.maxHeaderFields ?? 100
    this.maxInformational = settings.maxInformational ?? 32
    this.maxInformationalBytes = settings.maxInformationalBytes ?? 16_384
    this.pingIntervalMs = settings.pingIntervalMs ?? 30_000
    this.pingTimeoutMs = settings.pingTimeoutMs ?? 15_000
    this.pingIdle = settings.pingIdle ?? false
    this.lingerTimeoutMs = settings.lingerTimeoutMs ?? 1_000
  }
}

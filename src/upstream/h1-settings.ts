/** Limits of an upstream HTTP/1.1 connection. Sizes are bytes, times milliseconds. */
export class H1Settings {
  readonly maxHeadBytes: number
  readonly maxHeaderFields: number
  readonly maxChunkExtensionBytes: number
  /** 1xx responses to one request. */
  readonly maxInformational: number
  /** Their heads, all together. */
  readonly maxInformationalBytes: number
  /** A tunnel (101 or CONNECT) without a byte in either direction; 0 for never. */
  readonly tunnelIdleTimeoutMs: number
  /** Read into the buffer all sockets share where that is possible; off for ordinary reads. */
  readonly sharedReads: boolean

  constructor(settings: Partial<H1Settings> = {}) {
    this.maxHeadBytes = settings.maxHeadBytes ?? 61_440
    this.maxHeaderFields = settings.maxHeaderFields ?? 100
    this.maxChunkExtensionBytes = settings.maxChunkExtensionBytes ?? 65_536
    this.maxInformational = settings.maxInformational ?? 32
    this.maxInformationalBytes = settings.maxInformationalBytes ?? 16_384
    this.tunnelIdleTimeoutMs = settings.tunnelIdleTimeoutMs ?? 3_600_000
    this.sharedReads = settings.sharedReads ?? true
  }
}

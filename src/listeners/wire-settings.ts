import { H2Settings } from '../http/h2-settings.ts'
import { HttpSettings } from '../http/http-settings.ts'
import type { ConnectionSettings } from '../snapshot/connection-settings.ts'

/** What both wires need to know about a connection that is accepted now. */
export class WireSettings {
  /** Made of these; another object stands for another generation. */
  readonly connections: ConnectionSettings
  readonly h1: HttpSettings
  readonly h2: H2Settings

  /** `allowConnect`: plain CONNECT over HTTP/2 (the egress proxy). */
  constructor(connections: ConnectionSettings, allowConnect: boolean = false) {
    const { http2 } = connections
    this.connections = connections
    const common = {
      headTimeoutMs: connections.headTimeoutMs,
      requestTimeoutMs: connections.requestTimeoutMs,
      streamIdleTimeoutMs: connections.streamIdleTimeoutMs,
      maxStreamDurationMs: connections.maxStreamDurationMs,
      idleTimeoutMs: connections.idleTimeoutMs,
      maxAgeMs: connections.maxAgeMs,
      writeStallTimeoutMs: connections.writeStallTimeoutMs,
      maxRequestsPerConnection: connections.maxRequestsPerConnection,
      lingerTimeoutMs: connections.lingerTimeoutMs,
      maxHeadBytes: connections.maxHeadBytes,
      maxHeaderFields: connections.maxHeaderFields,
      highWaterBytes: connections.bufferBytes,
      paths: connections.paths,
      underscoreNames: connections.underscoreNames,
    }
    this.h1 = new HttpSettings({
      ...common,
      drainTimeoutMs: connections.drainTimeoutMs,
      tunnelIdleTimeoutMs: connections.tunnelIdleTimeoutMs,
      preserveHeaderCase: connections.preserveHeaderCase,
      lingerBytes: connections.lingerBytes,
      maxChunkExtensionBytes: connections.maxChunkExtensionBytes,
      acceptHttp10: connections.http10 === 'accept',
      forwardRequestTrailers: connections.requestTrailers === 'forward',
    })
    this.h2 = new H2Settings({ ...common, ...http2, allowConnect })
  }
}

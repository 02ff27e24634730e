/**
 * Framing and hop-by-hop fields (RFC 9110 7.6.1, RFC 9112 6), lower case: the proxy writes them for
 * the connection at hand, and a value from configuration would contradict the bytes that follow.
 */
export const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

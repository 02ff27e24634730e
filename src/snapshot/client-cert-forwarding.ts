/**
 * What becomes of x-forwarded-client-cert (ProxyConfig gatewayTopology.forwardClientCertDetails),
 * and what the gateway's own element says of a client's certificate
 * (proxyHeaders.setCurrentClientCertDetails). Hash is always in it, By when the gateway's own
 * certificate names a URI.
 */
export interface ClientCertForwarding {
  readonly mode: ClientCertMode
  readonly subject: boolean
  readonly cert: boolean
  readonly chain: boolean
  readonly dns: boolean
  readonly uri: boolean
}

/**
 * SANITIZE drops the header; FORWARD_ONLY keeps it for clients with a verified certificate;
 * APPEND_FORWARD keeps it for them and adds an element; SANITIZE_SET (default) replaces it by an
 * element; ALWAYS_FORWARD_ONLY keeps whatever any client sends.
 */
export type ClientCertMode =
  'SANITIZE' | 'FORWARD_ONLY' | 'APPEND_FORWARD' | 'SANITIZE_SET' | 'ALWAYS_FORWARD_ONLY'

import type { DownstreamConnection } from '../http/exchange.ts'

/** How a connection came to the egress proxy: `connection.context` of its exchanges. */
export class EgressWay {
  readonly kind: 'http' | 'socks' | 'tls'
  /** What counts as one client: an IPv4 address, or the /64 of an IPv6 one. */
  readonly client: string
  /** The port it connected to before it was redirected here (PROXY protocol); 0: not known. */
  readonly originalPort: number
  /** The other end is one of our own tunnels. */
  readonly isLoop: boolean

  constructor(init: {
    kind: 'http' | 'socks' | 'tls'
    client: string
    originalPort: number
    isLoop: boolean
  }) {
    this.kind = init.kind
    this.client = init.client
    this.originalPort = init.originalPort
    this.isLoop = init.isLoop
  }
}

/** null for a connection that nobody looked at before it became an exchange. */
export function wayOf(connection: DownstreamConnection): EgressWay | null {
  const { context } = connection
  return context instanceof EgressWay ? context : null
}

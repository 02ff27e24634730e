import type { HostTable } from '../routing/host-table.ts'
import { MAX_CLIENT_HELLO_BYTES, parseClientHello } from '../tls/client-hello.ts'
import { refuseServerName } from './egress-refusal.ts'
import type { Exchange } from './exchange.ts'

const TLS_HANDSHAKE = 0x16
const TLS_MAJOR = 3
/** Stands for the name in a ClientHello that cannot be read: another reader may find one. */
const UNREADABLE = '(unreadable)'

/** Which TLS server names a tunnel may carry. */
export interface TunnelNames {
  /** The name that was asked for. */
  readonly host: string
  /** Others that the same declaration has, or null. */
  readonly others: HostTable<string> | null
}

/**
 * Keeps an egress tunnel within what it was allowed for: when the client begins with a TLS
 * ClientHello its server name must be one of `names` (null: any), or the tunnel leads elsewhere than
 * the policy judged (domain fronting); it ends at its maximum duration; it counts for its client
 * until it is closed.
 */
export class TunnelWatch {
  readonly #exchange: Exchange
  readonly #client: string
  readonly #names: TunnelNames | null
  readonly #timer: NodeJS.Timeout | null
  /** The beginning of a ClientHello that is not complete. */
  #held: Buffer | null
  #judges: boolean
  #refused: boolean

  constructor(exchange: Exchange, client: string, names: TunnelNames | null) {
    const { maxDurationMs } = exchange.mesh.connections.egressTunnels
    this.#exchange = exchange
    this.#client = client
    this.#names = names
    this.#timer = maxDurationMs === Infinity ? null : setTimeout(expire, maxDurationMs, exchange)
    this.#held = null
    this.#judges = names !== null
    this.#refused = false
  }

  /** Bytes of the client that may pass now, with those that were held; null: none. */
  admit(chunk: Buffer): Buffer | null {
    if (!this.#judges) return this.#refused ? null : chunk
    const held = this.#held
    if (held === null && chunk[0] !== TLS_HANDSHAKE) {
      this.#judges = false
      return chunk
    }
    const bytes = held === null ? chunk : Buffer.concat([held, chunk])
    const hello = parseClientHello(bytes)
    if (hello.type === 'incomplete' && bytes.length <= MAX_CLIENT_HELLO_BYTES) {
      this.#held = held === null ? Buffer.from(chunk) : bytes
      return null
    }
    this.#judges = false
    this.#held = null
    // What only looks like TLS at its first byte names nobody.
    if (hello.type === 'invalid' && bytes[1] !== TLS_MAJOR) return bytes
    const name = hello.type === 'hello' ? hello.serverName : UNREADABLE
    if (name === null || this.#mayName(name)) return bytes
    this.#refused = true
    refuseServerName(this.#exchange, name, this.#names!.host)
    return null
  }

  /** Once: the exchange is over. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#held = null
    this.#exchange.runtime.tunnelCounts.leave(this.#client)
  }

  #mayName(name: string): boolean {
    const { host, others } = this.#names!
    return name === host || (others !== null && others.find(name) !== null)
  }
}

/** `--limit egress-tunnel-duration` is over. */
function expire(exchange: Exchange): void {
  if (exchange.ended) return
  exchange.addFlag('DT')
  exchange.details = 'max_duration_timeout'
  exchange.downstream.abort()
  exchange.finish()
}

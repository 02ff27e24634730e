import { Cidr } from './cidr.ts'

/** Addresses of forwarding headers whose verdict is remembered, so that strangers cannot fill memory. */
const MAX_KNOWN_HOPS = 4_096
/** Longer texts are no addresses. */
const MAX_ADDRESS_LENGTH = 45

/**
 * The proxies in front of the gateway whose word about the client counts (`--trusted-proxy`). The
 * verdict about a connection is kept as long as the connection lives; those about addresses that
 * proxies name are kept in a bounded table.
 */
export class TrustedPeers {
  readonly #blocks: readonly Cidr[]
  readonly #connections = new WeakMap<object, boolean>()
  readonly #hops = new Map<string, boolean>()

  constructor(blocks: readonly Cidr[]) {
    this.#blocks = blocks
  }

  /** null for an empty list: then nobody is trusted by address. What is no block counts as none. */
  static of(texts: readonly string[]): TrustedPeers | null {
    if (texts.length === 0) return null
    return new TrustedPeers(texts.map((text) => Cidr.parse(text)).filter((block) => block !== null))
  }

  /** Whether the peer of a connection is one of them; `address` never changes for a connection. */
  trusts(connection: object, address: string): boolean {
    const known = this.#connections.get(connection)
    if (known !== undefined) return known
    const verdict = this.#contains(address)
    this.#connections.set(connection, verdict)
    return verdict
  }

  /** Whether an address that a forwarding header names is one of them. */
  has(address: string): boolean {
    const known = this.#hops.get(address)
    if (known !== undefined) return known
    const verdict = address.length <= MAX_ADDRESS_LENGTH && this.#contains(address)
    if (this.#hops.size >= MAX_KNOWN_HOPS) this.#hops.clear()
    this.#hops.set(address, verdict)
    return verdict
  }

  #contains(address: string): boolean {
    return this.#blocks.some((block) => block.contains(address))
  }
}

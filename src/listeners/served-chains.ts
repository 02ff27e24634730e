import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { servingChain, sharesCertificates } from '../proxy/misdirected.ts'
import type { ListenerPlan, TlsChainPlan, TlsChainTable } from '../snapshot/listener-plan.ts'
import { identityProblem } from '../tls/server-identity.ts'

/** The chain that a TLS connection was accepted for, and what its client was shown. */
export class AcceptedChain {
  readonly name: string
  /** Clients were asked for certificates when the connection was accepted. */
  readonly #verified: boolean
  readonly #socket: TLSSocket
  /** undefined: not asked for yet. */
  #certificate: X509Certificate | null | undefined
  #own: TlsChainPlan | null
  #table: TlsChainTable | null
  #authority: string
  #serving: TlsChainPlan | null

  constructor(chain: TlsChainPlan, socket: TLSSocket) {
    this.name = chain.name
    this.#verified = chain.tls.client !== undefined
    this.#socket = socket
    this.#certificate = undefined
    this.#own = null
    this.#table = null
    this.#authority = ''
    this.#serving = null
  }

  /** The chain whose routes serve a request, or null: it came over the wrong connection. */
  servingChain(served: ServedChains, own: TlsChainPlan, authority: string): TlsChainPlan | null {
    if (this.#table !== served.table || this.#authority !== authority) {
      // A client that was let in without certificate before they became a must comes again.
      const stale = own.tls.client?.required === true && !this.#verified
      this.#own = own
      this.#serving = stale ? null : servingChain(served.table, own, authority, this.#covers)
      this.#table = served.table
      this.#authority = authority
    }
    return this.#serving
  }

  readonly #covers = (host: string, owner: TlsChainPlan): boolean => {
    // A new connection would be shown the same.
    if (this.#own !== null && sharesCertificates(this.#own, owner)) return true
    this.#certificate ??= this.#socket.getX509Certificate() ?? null
    return this.#certificate !== null && identityProblem(this.#certificate, [host]) === null
  }
}

/** The chains of a TLS listener by name, under the plan of the moment. */
export class ServedChains {
  readonly table: TlsChainTable
  readonly #byName = new Map<string, TlsChainPlan>()

  constructor(table: TlsChainTable) {
    this.table = table
    for (const chain of table.all) this.#byName.set(chain.name, chain)
  }

  static of(plan: ListenerPlan): ServedChains | null {
    return plan.accept.type === 'tls' ? new ServedChains(plan.accept.chains) : null
  }

  /** null: the server is gone. */
  find(name: string): TlsChainPlan | null {
    return this.#byName.get(name) ?? null
  }
}

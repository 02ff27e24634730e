import { isIP } from 'node:net'
import { isFqdn } from '../config/names.ts'
import type { Decision } from './egress-ledger-reader.ts'

/** Hosts that a ledger is learned from: more than any mesh declares. */
const MAX_HOSTS = 100_000
const HTTPS_PORT = 443

/** What was seen of one host. */
export interface SeenHost {
  /** A name or an address. */
  readonly host: string
  readonly ports: Map<number, SeenProtocol>
  /** Of the clients; '' when one was not known. */
  readonly namespaces: Set<string>
  count: number
}

export type SeenProtocol = 'HTTP' | 'TLS' | 'TCP'

/** Collects what passed from the lines of ledgers. */
export class SeenTraffic {
  readonly hosts = new Map<string, SeenHost>()
  /** By namespace: `namespace/host` of declarations that its clients used. */
  readonly declared = new Map<string, Set<string>>()
  /** Hosts that no ServiceEntry can name. */
  readonly unusable = new Set<string>()
  /** Hosts beyond MAX_HOSTS. */
  overflow = 0

  add(decision: Decision): void {
    const { verdict, declaredAs, clientNamespace } = decision
    if (verdict === 'allowed') {
      if (declaredAs !== '') addTo(this.declared, clientNamespace, declaredAs)
      return
    }
    // A refusal is no traffic, and what the guard refuses must not be declared by a machine.
    if (verdict === 'would-block' || verdict === 'passthrough') this.#learn(decision)
  }

  #learn({ host, port, kind, clientNamespace }: Decision): void {
    if (port === 0 || !isUsable(host)) {
      if (this.unusable.size < MAX_HOSTS) this.unusable.add(host)
      return
    }
    let seen = this.hosts.get(host)
    if (seen === undefined) {
      if (this.hosts.size >= MAX_HOSTS) {
        this.overflow++
        return
      }
      seen = { host, ports: new Map(), namespaces: new Set(), count: 0 }
      this.hosts.set(host, seen)
    }
    seen.count++
    seen.namespaces.add(clientNamespace)
    seen.ports.set(port, wider(seen.ports.get(port), protocolOf(kind, port)))
  }
}

function isUsable(host: string): boolean {
  return isIP(host) !== 0 || isFqdn(host)
}

/** A tunnel to 443 carries TLS; of others nothing is known but bytes. */
function protocolOf(kind: Decision['kind'], port: number): SeenProtocol {
  if (kind === 'http') return 'HTTP'
  return kind === 'tls' || port === HTTPS_PORT ? 'TLS' : 'TCP'
}

/** A port for clear-text requests takes tunnels as well; the other way round it does not. */
function wider(known: SeenProtocol | undefined, seen: SeenProtocol): SeenProtocol {
  if (known === undefined || known === seen) return seen
  return known === 'HTTP' || seen === 'HTTP' ? 'HTTP' : 'TCP'
}

function addTo(map: Map<string, Set<string>>, key: string, value: string): void {
  const set = map.get(key) ?? new Set<string>()
  map.set(key, set.add(value))
}

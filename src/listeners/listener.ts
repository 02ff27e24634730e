import type { Socket } from 'node:net'
import type { DownstreamExchange } from '../http/exchange.ts'
import { handleHttp } from '../proxy/http.ts'
import { observePluginAnswer } from '../proxy/plugin-answer.ts'
import type { ProxyRuntime } from '../proxy/runtime.ts'
import { handleTcp } from '../proxy/tcp.ts'
import { HostTable } from '../routing/host-table.ts'
import type { HttpServerPlan, ListenerPlan, TlsChainTable } from '../snapshot/listener-plan.ts'
import { type BindAddress, formatBindAddress } from './bind-address.ts'
import type { ConnectionGate } from './connection-gate.ts'
import type { HttpEngines } from './http-engines.ts'
import { SocketServer, type SocketServerOptions } from './socket-server.ts'
import { TcpClient } from './tcp-client.ts'
import { acceptTls, type TlsAcceptOptions } from './tls-accept.ts'

/** What a connection remembers: its listener, and the server chain chosen at its TLS handshake. */
class ConnectionContext {
  readonly listener: Listener
  readonly chainName: string | null

  constructor(listener: Listener, chainName: string | null) {
    this.listener = listener
    this.chainName = chainName
  }
}

/** A chain as the current plan has it, with the question whether another chain owns a host. */
interface ServedChain {
  readonly http: HttpServerPlan
  readonly ownedElsewhere: (authority: string) => boolean
}

const NO_ROUTES: HttpServerPlan = { name: 'none', hosts: new HostTable([]), gateways: [] }

/**
 * A Gateway port: bound sockets, and the plan of the current generation. A new generation replaces
 * the plan; connections stay and their next exchange follows the new one.
 */
export class Listener {
  readonly key: string
  plan: ListenerPlan
  readonly #runtime: ProxyRuntime
  readonly #engines: HttpEngines | null
  readonly #tlsOptions: TlsAcceptOptions | null
  #servers: readonly SocketServer[]
  #chains: ReadonlyMap<string, ServedChain>

  constructor(
    plan: ListenerPlan,
    runtime: ProxyRuntime,
    engines: HttpEngines | null,
    tls: Pick<TlsAcceptOptions, 'contexts' | 'onRefused'>,
  ) {
    this.key = plan.key
    this.plan = plan
    this.#runtime = runtime
    this.#engines = engines
    this.#servers = []
    this.#chains = servedChains(plan)
    this.#tlsOptions = {
      ...tls,
      settings: () => runtime.snapshot.mesh.connections,
      chains: () => (this.plan.accept.type === 'tls' ? this.plan.accept.chains : null),
      onSecure: (socket, chain) => {
        this.#engines!.accept(socket, new ConnectionContext(this, chain.name))
      },
    }
    this.#loadCertificates()
  }

  /** Binds every address, or none and rejects. */
  async bind(addresses: readonly BindAddress[], gate: ConnectionGate): Promise<void> {
    const options: SocketServerOptions = {
      gate,
      bufferBytes: () => this.#runtime.snapshot.mesh.connections.bufferBytes,
      connections: () => this.connections,
      onConnection: (socket) => this.#accept(socket),
    }
    const bound: SocketServer[] = []
    try {
      for (const address of addresses) {
        bound.push(await SocketServer.bind(address, options))
      }
    } catch (error) {
      for (const server of bound) server.stopAccepting()
      throw error
    }
    this.#servers = bound
  }

  get addresses(): readonly BindAddress[] {
    return this.#servers.map((server) => server.address)
  }

  describe(): string {
    return this.addresses.map(formatBindAddress).join(' ')
  }

  get connections(): number {
    return this.#servers.reduce((sum, server) => sum + server.connections, 0)
  }

  update(plan: ListenerPlan): void {
    this.plan = plan
    this.#loadCertificates()
    this.#chains = servedChains(plan)
  }

  /** Before the first handshake: a certificate that breaks later has a last good version then. */
  #loadCertificates(): void {
    if (this.plan.accept.type !== 'tls') return
    for (const chain of this.plan.accept.chains.all)
      this.#tlsOptions!.contexts.contextFor(chain.tls)
  }

  #accept(socket: Socket): void {
    const accept = this.plan.accept
    switch (accept.type) {
      case 'http':
        this.#engines!.accept(socket, new ConnectionContext(this, null))
        return
      case 'tls':
        acceptTls(socket, this.#tlsOptions!)
        return
      case 'tcp':
        handleTcp(this.#runtime, new TcpClient(socket), accept.tcp)
    }
  }

  /** Hands an exchange to the proxy under the plan of this moment. */
  handle(exchange: DownstreamExchange): void {
    const { chainName } = exchange.connection.context as ConnectionContext
    const port = this.#gatewayPort
    if (chainName === null) {
      const accept = this.plan.accept
      handleHttp(
        this.#runtime,
        exchange,
        accept.type === 'http' ? accept.http : NO_ROUTES,
        port,
        null,
      )
      return
    }
    const chain = this.#chains.get(chainName)
    if (chain === undefined) {
      exchange.closeAfter()
      handleHttp(this.#runtime, exchange, NO_ROUTES, port, null)
      return
    }
    handleHttp(this.#runtime, exchange, chain.http, port, chain.ownedElsewhere)
  }

  /** Counts and logs an exchange that a plugin answers. */
  observe(exchange: DownstreamExchange): void {
    observePluginAnswer(this.#runtime, exchange, this.#gatewayPort)
  }

  get #gatewayPort(): number {
    return this.plan.gatewayPorts[0] ?? this.plan.targetPort
  }

  stopAccepting(): void {
    for (const server of this.#servers) server.stopAccepting()
  }

  drain(): void {
    this.#engines?.drain()
  }

  async close(): Promise<void> {
    this.stopAccepting()
    await this.#engines?.close()
    for (const server of this.#servers) server.destroyConnections()
  }
}

/** The listener an exchange came in on. */
export function dispatchToListener(exchange: DownstreamExchange): void {
  ;(exchange.connection.context as ConnectionContext).listener.handle(exchange)
}

export function observeOnListener(exchange: DownstreamExchange): void {
  ;(exchange.connection.context as ConnectionContext).listener.observe(exchange)
}

function servedChains(plan: ListenerPlan): ReadonlyMap<string, ServedChain> {
  const chains = new Map<string, ServedChain>()
  if (plan.accept.type !== 'tls') return chains
  const table: TlsChainTable = plan.accept.chains
  for (const chain of table.all) {
    chains.set(chain.name, {
      http: chain.http,
      ownedElsewhere: (authority) => {
        const owner = table.bySni.lookup(authority)
        return owner !== null && owner !== chain
      },
    })
  }
  return chains
}

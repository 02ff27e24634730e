import type { Socket } from 'node:net'
import type { ClientView } from '../http/client-view.ts'
import type { DownstreamExchange } from '../http/exchange.ts'
import { bridgeGrpcWeb } from '../proxy/grpc-web.ts'
import { handleHttp } from '../proxy/http.ts'
import { ownIngressHeaders } from '../proxy/own-headers.ts'
import { observePluginAnswer } from '../proxy/plugin-answer.ts'
import { AcceptedPeer, type PeerAddresses } from '../http/accepted-peer.ts'
import type { ProxyRuntime } from '../proxy/runtime.ts'
import { handleTcp } from '../proxy/tcp.ts'
import { HostTable } from '../routing/host-table.ts'
import type { HttpServerPlan, ListenerPlan } from '../snapshot/listener-plan.ts'
import { announcedPeer, announcePeer } from './announced-peers.ts'
import { type BindAddress, formatBindAddress } from './bind-address.ts'
import type { ConnectionGate } from './connection-gate.ts'
import type { HttpEngines } from './http-engines.ts'
import {
  expectsProxyHeader,
  type ProxyHeaderHandler,
  type ProxyHeaderRefusal,
  readProxyHeader,
} from './proxy-protocol.ts'
import { AcceptedChain, ServedChains } from './served-chains.ts'
import { SocketServer, type SocketServerOptions } from './socket-server.ts'
import { TcpClient } from './tcp-client.ts'
import { acceptTls, type TlsAcceptOptions } from './tls-accept.ts'

/** What a connection remembers: its listener, and the server chain chosen at its TLS handshake. */
class ConnectionContext {
  readonly listener: Listener
  readonly chain: AcceptedChain | null

  constructor(listener: Listener, chain: AcceptedChain | null) {
    this.listener = listener
    this.chain = chain
  }
}

const NO_ROUTES: HttpServerPlan = {
  name: 'none',
  hosts: new HostTable([]),
  gateways: [],
  authenticator: null,
}
/** The request came over a connection for another server (421). */
const misdirected = (): boolean => true

/**
 * A Gateway port: bound sockets, and the plan of the current generation. A new generation replaces
 * the plan; connections stay and their next exchange follows the new one.
 */
export class Listener implements ProxyHeaderHandler {
  readonly key: string
  plan: ListenerPlan
  readonly #runtime: ProxyRuntime
  readonly #engines: HttpEngines | null
  readonly #tlsOptions: TlsAcceptOptions | null
  readonly #onProxyHeaderRefused: (reason: ProxyHeaderRefusal, remoteAddress: string) => void
  #servers: readonly SocketServer[]
  #chains: ServedChains | null

  constructor(
    plan: ListenerPlan,
    runtime: ProxyRuntime,
    engines: HttpEngines | null,
    tls: Pick<TlsAcceptOptions, 'contexts' | 'onRefused'>,
    onProxyHeaderRefused: (reason: ProxyHeaderRefusal, remoteAddress: string) => void,
  ) {
    this.key = plan.key
    this.plan = plan
    this.#runtime = runtime
    this.#engines = engines
    this.#onProxyHeaderRefused = onProxyHeaderRefused
    this.#servers = []
    this.#chains = ServedChains.of(plan)
    this.#tlsOptions = {
      ...tls,
      settings: () => runtime.snapshot.mesh.connections,
      chains: () => (this.plan.accept.type === 'tls' ? this.plan.accept.chains : null),
      challenges: () => runtime.challenges,
      onSecure: (socket, chain) => {
        if (chain.tcp === null) {
          const accepted = new AcceptedChain(chain, socket)
          this.#engines!.accept(socket, new ConnectionContext(this, accepted))
        } else handleTcp(runtime, new TcpClient(socket), chain.tcp)
      },
      onPassThrough: (socket, chain, serverName) => {
        const tls = { serverName, protocol: '', cipher: '', clientCertificate: null }
        const peer = new AcceptedPeer(socket, null, announcedPeer(socket), tls)
        handleTcp(runtime, new TcpClient(socket, peer), chain.tcp!)
        socket.resume()
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
      expectsAnnouncement: (socket) => expectsProxyHeader(this.#runtime.snapshot.mesh, socket),
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
    let sum = 0
    for (const server of this.#servers) sum += server.connections
    return sum
  }

  /** HTTP/1.1 connections for which a time runs. */
  get runningDeadlines(): number {
    return this.#engines?.runningDeadlines ?? 0
  }

  update(plan: ListenerPlan): void {
    this.plan = plan
    this.#loadCertificates()
    this.#chains = ServedChains.of(plan)
  }

  /** Before the first handshake: a certificate that breaks later has a last good version then. */
  #loadCertificates(): void {
    if (this.plan.accept.type !== 'tls') return
    for (const chain of this.plan.accept.chains.all)
      this.#tlsOptions!.contexts.contextFor(chain.tls)
  }

  #accept(socket: Socket): void {
    if (expectsProxyHeader(this.#runtime.snapshot.mesh, socket)) readProxyHeader(socket, this)
    else this.#serve(socket)
  }

  onProxyHeader(socket: Socket, peer: PeerAddresses | null): void {
    const address = peer === null ? socket.remoteAddress : peer.remoteAddress
    const server = this.#servers.find((one) => one.awaitsAnnouncement(socket))
    if (server?.announce(socket, address ?? '') !== true) return
    if (peer !== null) announcePeer(socket, peer)
    this.#serve(socket)
  }

  onProxyHeaderRefused(reason: ProxyHeaderRefusal, socket: Socket): void {
    this.#onProxyHeaderRefused(reason, socket.remoteAddress ?? '')
  }

  #serve(socket: Socket): void {
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

  /** Makes the headers true that the edge owns, before plugins see them. */
  findClient(exchange: DownstreamExchange): ClientView {
    const { mesh } = this.#runtime.snapshot
    return ownIngressHeaders(exchange.request, exchange.connection, mesh)
  }

  /**
   * Hands an exchange to the proxy under the plan of this moment. `client` null: nobody looked for
   * it yet.
   */
  handle(exchange: DownstreamExchange, client: ClientView | null): void {
    const { chain } = exchange.connection.context as ConnectionContext
    const port = this.#gatewayPort
    if (chain === null) {
      const accept = this.plan.accept
      handleHttp(
        this.#runtime,
        accept.type === 'http' && accept.grpcWeb ? bridgeGrpcWeb(exchange) : exchange,
        accept.type === 'http' ? accept.http : NO_ROUTES,
        port,
        null,
        client,
      )
      return
    }
    const chains = this.#chains
    const own = chains === null ? null : chains.find(chain.name)
    if (chains === null || own === null) {
      exchange.closeAfter()
      handleHttp(this.#runtime, exchange, NO_ROUTES, port, null, client)
      return
    }
    const serving = chain.servingChain(chains, own, exchange.request.authority)
    if (serving === null) handleHttp(this.#runtime, exchange, NO_ROUTES, port, misdirected, client)
    else handleHttp(this.#runtime, exchange, serving.http, port, null, client)
  }

  /** Counts and logs an exchange that a plugin answers. */
  observe(exchange: DownstreamExchange, client: ClientView | null): void {
    observePluginAnswer(this.#runtime, exchange, this.#gatewayPort, client)
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
export function dispatchToListener(exchange: DownstreamExchange, client: ClientView | null): void {
  ;(exchange.connection.context as ConnectionContext).listener.handle(exchange, client)
}

export function findClientOnListener(exchange: DownstreamExchange): ClientView {
  return (exchange.connection.context as ConnectionContext).listener.findClient(exchange)
}

export function observeOnListener(exchange: DownstreamExchange, client: ClientView | null): void {
  ;(exchange.connection.context as ConnectionContext).listener.observe(exchange, client)
}

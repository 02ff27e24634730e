import type { Socket } from 'node:net'
import { Roster } from '../base/roster.ts'
import type { PeerAddresses } from '../http/accepted-peer.ts'
import { isAuthority } from '../http/authority.ts'
import type { DownstreamExchange } from '../http/exchange.ts'
import { handleEgress } from '../proxy/egress.ts'
import { byCredentials } from '../proxy/egress-client.ts'
import { EgressWay } from '../proxy/egress-way.ts'
import type { ProxyRuntime } from '../proxy/runtime.ts'
import type { EgressControl } from '../snapshot/egress-control.ts'
import { announcedPeer, announcePeer } from './announced-peers.ts'
import type { BindAddress } from './bind-address.ts'
import { clientBlock } from './client-block.ts'
import type { ConnectionGate } from './connection-gate.ts'
import { EgressSniffer, type SniffHandler, type SniffRefusal } from './egress-sniffer.ts'
import { TunnelClient } from './egress-tunnel-client.ts'
import { HttpEngines } from './http-engines.ts'
import {
  expectsProxyHeader,
  type ProxyHeaderHandler,
  type ProxyHeaderRefusal,
  readProxyHeader,
} from './proxy-protocol.ts'
import { SocketServer } from './socket-server.ts'

/** Where TLS was meant to go when nothing else tells. */
const HTTPS_PORT = 443

/**
 * The proxy that pods point http_proxy or all_proxy at, or that their traffic is redirected to:
 * HTTP in absolute and origin form, CONNECT over HTTP/1.1 and HTTP/2, TLS by its server name, SOCKS5,
 * all on one port.
 */
export class EgressListener implements SniffHandler, ProxyHeaderHandler {
  readonly #runtime: ProxyRuntime
  readonly #engines: HttpEngines
  readonly #onRefused: (reason: string, remoteAddress: string) => void
  readonly #sniffers = new Roster<EgressSniffer>()
  #server: SocketServer | null = null

  private constructor(
    runtime: ProxyRuntime,
    engines: HttpEngines,
    onRefused: (reason: string, remoteAddress: string) => void,
  ) {
    this.#runtime = runtime
    this.#engines = engines
    this.#onRefused = onRefused
  }

  static async start(
    address: BindAddress,
    runtime: ProxyRuntime,
    gate: ConnectionGate,
    onRefused: (reason: string, remoteAddress: string) => void,
  ): Promise<EgressListener> {
    const engines = await HttpEngines.start({
      scheme: 'http',
      allowConnect: true,
      connections: () => runtime.snapshot.mesh.connections,
      plugins: [],
      onRequest: (exchange: DownstreamExchange) => handleEgress(runtime, exchange),
      findClient: null,
      onPluginAnswer: () => undefined,
      onPluginError: () => undefined,
      onRefused,
    })
    try {
      const listener = new EgressListener(runtime, engines, onRefused)
      listener.#server = await SocketServer.bind(address, {
        gate,
        bufferBytes: () => runtime.snapshot.mesh.connections.bufferBytes,
        connections: () => listener.connections,
        onConnection: (socket) => listener.#sniff(socket, true),
        allowsAnnouncement: (socket) => expectsProxyHeader(runtime.snapshot.mesh, socket),
      })
      return listener
    } catch (error) {
      await engines.close()
      throw error
    }
  }

  get address(): BindAddress {
    return this.#server!.address
  }

  get connections(): number {
    return this.#server === null ? 0 : this.#server.connections
  }

  /** HTTP/1.1 connections for which a time runs. */
  get runningDeadlines(): number {
    return this.#engines.runningDeadlines
  }

  stopAccepting(): void {
    this.#server?.stopAccepting()
  }

  drain(): void {
    this.#engines.drain()
    const { lingerTimeoutMs } = this.#runtime.snapshot.mesh.connections
    for (const sniffer of this.#sniffers) sniffer.closeIfIdle(lingerTimeoutMs)
  }

  async close(): Promise<void> {
    this.stopAccepting()
    await this.#engines.close()
    this.#server?.destroyConnections()
  }

  onProxyHeader(socket: Socket, peer: PeerAddresses | null): void {
    if (peer !== null) {
      if (this.#server?.announce(socket, peer.remoteAddress) !== true) return
      announcePeer(socket, peer)
    }
    this.#sniff(socket, false)
  }

  onProxyHeaderRefused(reason: ProxyHeaderRefusal, socket: Socket): void {
    this.#onRefused(reason, socket.remoteAddress ?? '')
  }

  /** Nobody need announce a client here: most are what they seem, whatever MeshConfig says of Gateways. */
  #sniff(socket: Socket, isFirst: boolean): void {
    const { mesh } = this.#runtime.snapshot
    const { idleTimeoutMs, headTimeoutMs } = mesh.connections
    const options = {
      idleMs: idleTimeoutMs,
      headMs: headTimeoutMs,
      readsProxyHeader: isFirst && expectsProxyHeader(mesh, socket),
      asksForUser: this.#users !== null,
    }
    const sniffer = new EgressSniffer(socket, options, this)
    this.#sniffers.add(sniffer)
    sniffer.start()
  }

  onProxySignature(socket: Socket): void {
    readProxyHeader(socket, this)
  }

  onSniffed(sniffer: EgressSniffer): void {
    this.#sniffers.delete(sniffer)
  }

  onHttp(socket: Socket): void {
    this.#engines.accept(socket, this.#wayOf(socket, 'http'))
  }

  onSocks(socket: Socket, authority: string, credentials: string | null): void {
    this.#openTunnel(socket, this.#wayOf(socket, 'socks'), authority, credentials)
  }

  acceptsUser(credentials: string): boolean {
    const users = this.#users
    return users !== null && byCredentials(users, credentials) !== null
  }

  get #users(): EgressControl['users'] {
    const { control } = this.#runtime.snapshot.egress
    return control === null ? null : control.users
  }

  onTls(socket: Socket, serverName: string): void {
    if (!isAuthority(serverName)) {
      socket.destroy()
      this.onSniffRefused('tls-malformed', socket)
      return
    }
    const way = this.#wayOf(socket, 'tls')
    const port = way.originalPort === 0 ? HTTPS_PORT : way.originalPort
    this.#openTunnel(socket, way, `${serverName}:${port}`, null)
  }

  onSniffRefused(reason: SniffRefusal, socket: Socket): void {
    this.#onRefused(reason, socket.remoteAddress ?? '')
  }

  #openTunnel(socket: Socket, way: EgressWay, authority: string, credentials: string | null): void {
    const client = new TunnelClient(socket, way, authority, credentials)
    client.limitIdleTime(this.#runtime.snapshot.mesh.connections.tunnelIdleTimeoutMs)
    handleEgress(this.#runtime, client)
  }

  #wayOf(socket: Socket, kind: EgressWay['kind']): EgressWay {
    const peer = announcedPeer(socket)
    const { remoteAddress = '', remotePort = 0 } = socket
    return new EgressWay({
      kind,
      client: clientBlock(peer?.remoteAddress ?? remoteAddress),
      originalPort: peer?.localPort ?? 0,
      isLoop: kind === 'tls' && this.#runtime.ownTunnels.has(`${remoteAddress}:${remotePort}`),
    })
  }
}

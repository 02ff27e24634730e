import type { DownstreamExchange } from '../http/exchange.ts'
import { handleEgress } from '../proxy/egress.ts'
import type { ProxyRuntime } from '../proxy/runtime.ts'
import type { BindAddress } from './bind-address.ts'
import type { ConnectionGate } from './connection-gate.ts'
import { HttpEngines } from './http-engines.ts'
import { SocketServer } from './socket-server.ts'

/** The proxy that pods point http_proxy at: absolute-form requests and CONNECT on one port. */
export class EgressListener {
  readonly #server: SocketServer
  readonly #engines: HttpEngines

  private constructor(server: SocketServer, engines: HttpEngines) {
    this.#server = server
    this.#engines = engines
  }

  static async start(
    address: BindAddress,
    runtime: ProxyRuntime,
    gate: ConnectionGate,
    onHttpRefused: (reason: string, remoteAddress: string) => void,
  ): Promise<EgressListener> {
    const engines = await HttpEngines.start({
      scheme: 'http',
      connections: () => runtime.snapshot.mesh.connections,
      plugins: [],
      onRequest: (exchange: DownstreamExchange) => handleEgress(runtime, exchange),
      onPluginAnswer: () => undefined,
      onPluginError: () => undefined,
      onRefused: onHttpRefused,
    })
    try {
      let listener: EgressListener | null = null
      const server = await SocketServer.bind(address, {
        gate,
        bufferBytes: () => runtime.snapshot.mesh.connections.bufferBytes,
        connections: () => listener?.connections ?? 0,
        onConnection: (socket) => engines.accept(socket, null),
      })
      listener = new EgressListener(server, engines)
      return listener
    } catch (error) {
      await engines.close()
      throw error
    }
  }

  get address(): BindAddress {
    return this.#server.address
  }

  get connections(): number {
    return this.#server.connections
  }

  stopAccepting(): void {
    this.#server.stopAccepting()
  }

  drain(): void {
    this.#engines.drain()
  }

  async close(): Promise<void> {
    this.stopAccepting()
    await this.#engines.close()
    this.#server.destroyConnections()
  }
}

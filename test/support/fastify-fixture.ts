import { createServer, type AddressInfo, type Socket } from 'node:net'
import { expect } from 'vitest'
import {
  createGatewayFastify,
  type GatewayFastify,
  type GatewayPlugin,
} from '../../src/http/fastify-server.ts'
import { H2ServerEngine } from '../../src/http/h2-server.ts'
import { Headers } from '../../src/http/headers.ts'
import { H2Client } from './h2-client.ts'
import { RecordingHandler } from './recording-handler.ts'
import { waitFor } from './wait.ts'

/** A listener in small: h2c connections, a Fastify instance, and a proxy that answers by itself. */
export class FastifyFixture implements AsyncDisposable {
  readonly gateway: GatewayFastify
  readonly engine: H2ServerEngine
  readonly client: H2Client
  readonly proxied: RecordingHandler[] = []
  readonly pluginErrors: unknown[] = []
  readonly #close: () => Promise<void>

  private constructor(
    gateway: GatewayFastify,
    engine: H2ServerEngine,
    port: number,
    close: () => Promise<void>,
  ) {
    this.gateway = gateway
    this.engine = engine
    this.client = new H2Client(port)
    this.#close = close
  }

  static async start(
    plugins: readonly (GatewayPlugin['plugin'] | GatewayPlugin)[] = [],
    answer: (handler: RecordingHandler) => void = proxyAnswer,
  ): Promise<FastifyFixture> {
    const gateway = createGatewayFastify({
      onRequest: (exchange) => {
        const handler = new RecordingHandler(exchange)
        fixture.proxied.push(handler)
        answer(handler)
      },
      onPluginError: (error) => fixture.pluginErrors.push(error),
      plugins: plugins.map((plugin) => (typeof plugin === 'function' ? { plugin } : plugin)),
    })
    await gateway.ready()
    const engine = new H2ServerEngine({
      onExchange: (exchange) => gateway.bridge.dispatch(exchange),
    })
    const server = createServer((socket: Socket) => {
      socket.on('error', () => {})
      engine.accept(socket, null)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const fixture = new FastifyFixture(
      gateway,
      engine,
      (server.address() as AddressInfo).port,
      async () => {
        engine.destroyAll()
        await new Promise<void>((resolve) => server.close(() => resolve()))
      },
    )
    return fixture
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]()
    await this.#close()
    await this.gateway.close()
    await waitFor('no exchange left', () => this.engine.activeExchanges === 0)
    expect(this.proxied.flatMap((handler) => handler.late)).toEqual([])
  }
}

function proxyAnswer(handler: RecordingHandler): void {
  handler.onEnd = () => {
    const { method, path, query } = handler.exchange.request
    handler.exchange.sendWhole(
      200,
      new Headers(['x-from', 'proxy']),
      `${method} ${path}${query} ${handler.body}`,
    )
  }
}

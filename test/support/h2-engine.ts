import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { DownstreamExchange } from '../../src/http/exchange.ts'
import { H2ServerEngine } from '../../src/http/h2-server.ts'
import { H2Settings } from '../../src/http/h2-settings.ts'
import { RecordingHandler } from './recording-handler.ts'
import { waitFor } from './wait.ts'

/** An engine behind a plain listener that, like a real one, reads the first bytes itself. */
export class H2EngineFixture implements AsyncDisposable {
  readonly engine: H2ServerEngine
  readonly handlers: RecordingHandler[] = []
  readonly #server: Server

  private constructor(
    onExchange: (handler: RecordingHandler) => void,
    settings: Partial<H2Settings>,
  ) {
    this.engine = new H2ServerEngine({
      settings: new H2Settings(settings),
      onExchange: (exchange: DownstreamExchange) => {
        const handler = new RecordingHandler(exchange)
        this.handlers.push(handler)
        onExchange(handler)
      },
    })
    this.#server = createServer((socket: Socket) => {
      socket.on('error', () => {})
      socket.once('data', (first: Buffer) => this.engine.accept(socket, 'context', first))
    })
  }

  static async start(
    onExchange: (handler: RecordingHandler) => void = () => {},
    settings: Partial<H2Settings> = {},
  ): Promise<H2EngineFixture> {
    const fixture = new H2EngineFixture(onExchange, settings)
    await new Promise<void>((resolve) => fixture.#server.listen(0, '127.0.0.1', resolve))
    return fixture
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The n-th announced exchange, once it is there. */
  async exchange(index = 0): Promise<RecordingHandler> {
    return waitFor(`exchange ${index}`, () => this.handlers[index])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.engine.destroyAll()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
    await waitFor('no session left', () => this.engine.sessionCount === 0)
    await waitFor('no exchange left', () => this.engine.activeExchanges === 0)
    const late = this.handlers.flatMap((handler) => handler.late)
    if (late.length > 0)
      throw new Error(`callbacks after the end of an exchange: ${late.join(', ')}`)
  }
}

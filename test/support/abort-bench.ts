import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { type BlackHole, startBlackHole } from './black-hole.ts'
import { startGateway, type TestGateway } from './gateway.ts'
import { countLeftovers, type Leftovers } from './leftovers.ts'
import { StallingBackend } from './stalling-backend.ts'
import { OPEN_HOST, wireTls } from './wire-gateway.ts'
import { gateway, service, virtualService } from './yaml.ts'

/** Longer than any test: what ends an exchange is its client. */
const TIMES =
  'timeout: 3h, retries: { attempts: 2, perTryTimeout: 2h, retryOn: "503", backoff: 1h }'
/** A dial goes on without its client, for the next one. */
const DIAL = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: hole }
spec:
  host: hole
  trafficPolicy: { connectionPool: { tcp: { connectTimeout: 250ms } } }
---
`

/**
 * A gateway for clients that leave, whose routes have every timer: `/hole` leads to a port that
 * never accepts, everything else to a StallingBackend.
 */
export class AbortBench implements AsyncDisposable {
  readonly gateway: TestGateway
  readonly backend: StallingBackend
  readonly ca: string
  /** The first bytes of a TLS client, latin1. */
  readonly clientHello: string
  readonly #hole: BlackHole
  #dials = 0

  private constructor(
    gateway: TestGateway,
    backend: StallingBackend,
    hole: BlackHole,
    tls: { readonly ca: string; readonly hello: string },
  ) {
    this.gateway = gateway
    this.backend = backend
    this.#hole = hole
    this.ca = tls.ca
    this.clientHello = tls.hello
  }

  static async start(): Promise<AbortBench> {
    const backend = await StallingBackend.start()
    const hole = await startBlackHole()
    const { ca, yaml } = wireTls()
    const to = (host: string): string => `route: [{ destination: { host: ${host} } }], ${TIMES}`
    const routes =
      `  - { match: [{ uri: { prefix: /hole } }], ${to('hole')} }\n` + `  - { ${to('backend')} }`
    const started = await startGateway(
      yaml +
        service('backend', backend.port) +
        service('hole', hole.port) +
        DIAL +
        gateway('plain', [OPEN_HOST]) +
        virtualService('shop', [OPEN_HOST], ['plain', 'secure'], routes),
      { ports: [80, 443] },
    )
    return new AbortBench(started, backend, hole, { ca, hello: await clientHello() })
  }

  get port(): number {
    return this.gateway.port(80)
  }

  get securePort(): number {
    return this.gateway.port(443)
  }

  /** `idle`: connections to the backend that may be kept. */
  leftovers(idle: number): Leftovers {
    return countLeftovers(this.gateway, this.backend, idle)
  }

  /** Resolves when one more connection to the hole is begun. */
  async nextDial(): Promise<void> {
    const before = this.#dials
    while (this.#dials === before) {
      await new Promise((resolve) => setImmediate(resolve))
      this.#dials = this.#countDials()
    }
  }

  #countDials(): number {
    const hole = this.gateway.gateway.describeClusters().find(({ name }) => name.includes('hole'))
    return hole?.counters['cx_total'] ?? 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]()
    await this.backend[Symbol.asyncDispose]()
    await this.#hole[Symbol.asyncDispose]()
  }
}

async function clientHello(): Promise<string> {
  const sink = createServer()
  sink.listen(0, '127.0.0.1')
  await once(sink, 'listening')
  const accepted = once(sink, 'connection')
  const { port } = sink.address() as AddressInfo
  const client = connect({ port, host: '127.0.0.1', servername: OPEN_HOST })
  client.on('error', () => {})
  const [socket] = (await accepted) as [Socket]
  const [hello] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  client.destroy()
  sink.close()
  return hello.toString('latin1')
}

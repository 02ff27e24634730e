import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { WIRES } from '../support/both-wires.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { routedTo } from '../support/routed.ts'
import { waitFor } from '../support/wait.ts'

/** A backend that looks at the beginning of an upload, and then does `onHead`. */
class Refuser implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  connections = 0

  private constructor(onHead: (socket: Socket) => void) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.connections++
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.#sockets.delete(socket))
      socket.once('data', () => {
        // What is not read any more turns the close into a reset.
        socket.pause()
        onHead(socket)
      })
    })
  }

  static async start(onHead: (socket: Socket) => void): Promise<Refuser> {
    const refuser = new Refuser(onHead)
    await new Promise<void>((resolve) => refuser.#server.listen(0, '127.0.0.1', resolve))
    return refuser
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

const TOO_LARGE = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\ntoo large'
const UPLOAD = Buffer.alloc(4 * 1024 * 1024, 97)
/** The race between the answer and the reset has many outcomes. */
const TIMES = 20

let gateway: TestGateway | null = null

afterEach(async () => {
  const open = gateway
  gateway = null
  if (open === null) return
  try {
    await waitFor('no exchange', () => open.gateway.activeExchanges === 0)
  } finally {
    await open[Symbol.asyncDispose]()
  }
})

describe.each(WIRES)('an upload over $name', (wire) => {
  test('that is answered 413 and reset at once: the client is told 413', async () => {
    await using backend = await Refuser.start((socket) => {
      socket.write(TOO_LARGE, () => socket.destroy())
    })
    gateway = await startGateway(routedTo(backend.port), { ports: [80] })
    const port = gateway.port(80)
    const told: string[] = []
    for (let i = 0; i < TIMES; i++) {
      const answer = await wire.ask({ port, method: 'POST', body: UPLOAD })
      told.push(`${answer.status} ${answer.body.toString()}`)
    }
    expect(told).toEqual(Array.from({ length: TIMES }, () => '413 too large'))
    expect(backend.connections, 'a connection in doubt is not used again').toBe(TIMES)
  })

  test('that is reset without an answer is answered 503 and never repeated', async () => {
    await using backend = await Refuser.start((socket) => socket.resetAndDestroy())
    gateway = await startGateway(routedTo(backend.port), { ports: [80] })
    const answer = await wire.ask({ port: gateway.port(80), method: 'PUT', body: UPLOAD })
    expect(answer.status).toBe(503)
    expect(backend.connections).toBe(1)
  })

  test('that is reset within the answer is cut off', async () => {
    await using backend = await Refuser.start((socket) => {
      socket.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 99\r\n\r\nhalf', () =>
        socket.destroy(),
      )
    })
    gateway = await startGateway(routedTo(backend.port), { ports: [80] })
    const answer = await wire.ask({ port: gateway.port(80), method: 'POST', body: UPLOAD })
    expect(answer.isCut).toBe(true)
  })
})

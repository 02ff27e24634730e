import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { startGateway } from '../support/gateway.ts'
import { Pump, drainedBytes } from '../support/pump.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { waitFor } from '../support/wait.ts'
import { service } from '../support/yaml.ts'

const PORT = 9000
const BIG = 64 * 1024 * 1024
/** What two loopback connections' kernel buffers may take, with room. */
const MOST_TAKEN = 40 * 1024 * 1024

/** A TCP server on port 9000 and `route`, flow YAML of a tcp rule's destinations. */
function tcpConfig(services: string, route: string): string {
  return `${services}apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  servers: [{ port: { number: ${PORT}, name: tcp, protocol: TCP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: tcp }
spec:
  hosts: ["*"]
  gateways: [gw]
  tcp: [{ match: [{ port: ${PORT} }], route: ${route} }]
---
`
}

const tcpService = (name: string, port: number): string =>
  service(name, port, { port: PORT, portName: 'tcp' })

function splice(server: RawServer): ReturnType<typeof startGateway> {
  return startGateway(tcpConfig(tcpService('db', server.port), '[{ destination: { host: db } }]'), {
    ports: [PORT],
  })
}

test('a protocol whose server speaks first works', async () => {
  await using server = await new RawServer((socket) => {
    socket.write('220 ready\r\n')
    socket.on('data', (chunk: Buffer) => socket.write(`250 ${chunk.toString('latin1')}`))
  }).listen()
  await using gw = await splice(server)
  const client = await RawSocket.connect(gw.port(PORT))
  await client.until('220 ready\r\n')
  client.write('HELO\r\n')
  await client.until('250 HELO\r\n')
  client.destroy()
})

test('bytes of any value pass unchanged, many times, both ways', async () => {
  await using server = await new RawServer((socket) => socket.pipe(socket)).listen()
  await using gw = await splice(server)
  const client = await RawSocket.connect(gw.port(PORT))
  const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i))
  for (let round = 1; round <= 20; round++) {
    client.write(all)
    await waitFor('the echo', () => client.text.length === round * all.length)
  }
  expect(client.text).toBe(all.repeat(20))
  client.destroy()
})

describe('half-close', () => {
  test('of the client: what the server still has to say arrives', async () => {
    let received = ''
    await using server = await new RawServer((socket) => {
      socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
      socket.on('end', () => socket.end(`got ${received}`))
    }).listen()
    await using gw = await splice(server)
    const client = await RawSocket.connect(gw.port(PORT))
    client.write('question').end()
    expect(await client.untilEnd()).toBe('got question')
    await waitFor('the connection to be over', () => client.closed)
    await waitFor('the splice to end', () => gw.gateway.activeExchanges === 0)
  })

  test('of the server: what the client still has to say arrives', async () => {
    let received = ''
    let over = false
    await using server = await new RawServer((socket) => {
      socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
      socket.on('end', () => (over = true))
      socket.end('bye')
    }).listen()
    await using gw = await splice(server)
    const client = await RawSocket.connect(gw.port(PORT))
    expect(await client.untilEnd()).toBe('bye')
    client.write('last words').end()
    await waitFor('the end', () => over)
    expect(received).toBe('last words')
    await waitFor('the splice to end', () => gw.gateway.activeExchanges === 0)
  })

  test('right after the connect, before the upstream is reached', async () => {
    let received = ''
    await using server = await new RawServer((socket) => {
      socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
      socket.on('end', () => socket.end('done'))
    }).listen()
    await using gw = await splice(server)
    const client = await RawSocket.connect(gw.port(PORT))
    client.end()
    expect(await client.untilEnd()).toBe('done')
    expect(received).toBe('')
  })
})

test('a reset of one side ends the other', async () => {
  let closed = 0
  await using server = await new RawServer((socket) => {
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.on('close', () => closed++)
    socket.on('data', (chunk: Buffer) => {
      if (chunk.toString('latin1') === 'die') socket.resetAndDestroy()
      else socket.write('ok')
    })
  }).listen()
  await using gw = await splice(server)
  const first = await RawSocket.connect(gw.port(PORT))
  first.write('hello')
  await first.until('ok')
  first.socket.resetAndDestroy()
  await waitFor('the upstream to hear of it', () => closed === 1)
  const second = await RawSocket.connect(gw.port(PORT))
  second.write('hello')
  await second.until('ok')
  second.write('die')
  await second.untilEnd()
  second.destroy()
  await waitFor('the splices to end', () => gw.gateway.activeExchanges === 0)
})

test.each(['client', 'server'])(
  'a %s that does not read stops the other side',
  async (slow) => {
    const begun = Promise.withResolvers<Pump>()
    const paused = Promise.withResolvers<Socket>()
    await using server = await new RawServer((socket) => {
      if (slow === 'client') begun.resolve(new Pump(socket, BIG))
      else {
        socket.pause()
        paused.resolve(socket)
      }
    }).listen()
    await using gw = await splice(server)
    const client = await RawSocket.connect(gw.port(PORT))
    client.socket.removeAllListeners('data').pause()
    const reader = slow === 'client' ? client.socket : await paused.promise
    const pump = slow === 'client' ? await begun.promise : new Pump(client.socket, BIG)
    await pump.untilStalled()
    expect(pump.taken).toBeLessThan(MOST_TAKEN)
    expect(await drainedBytes(reader)).toBe(BIG)
    client.destroy()
  },
  40_000,
)

test('weights are drawn for each connection', async () => {
  const seen = { one: 0, two: 0 }
  const greeting = (name: 'one' | 'two'): Promise<RawServer> =>
    new RawServer((socket) => {
      seen[name]++
      socket.end(name)
    }).listen()
  await using one = await greeting('one')
  await using two = await greeting('two')
  const route =
    '[{ destination: { host: one }, weight: 25 }, { destination: { host: two }, weight: 75 }]'
  await using gw = await startGateway(
    tcpConfig(tcpService('one', one.port) + tcpService('two', two.port), route),
    { ports: [PORT] },
  )
  const connects = 400
  for (let i = 0; i < connects; i += 20) {
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const client = await RawSocket.connect(gw.port(PORT))
        expect(await client.untilEnd()).toMatch(/^(?:one|two)$/)
        client.end()
      }),
    )
  }
  expect(seen.one + seen.two).toBe(connects)
  // Four standard deviations around a quarter.
  expect(seen.one / connects).toBeGreaterThan(0.16)
  expect(seen.one / connects).toBeLessThan(0.34)
})

describe('where there is nothing to connect to the client is closed', () => {
  test.each([
    ['a refusing endpoint', 'endpoints: [{ addresses: [127.0.0.1] }]', 'db'],
    ['no endpoint', 'endpoints: []', 'db'],
    ['no such service', 'endpoints: []', 'nowhere'],
  ])('%s', async (_what, list, host) => {
    const unused = await new RawServer(() => undefined).listen()
    const yaml = tcpService('db', unused.port).replace(/endpoints: .*/, list)
    await unused[Symbol.asyncDispose]()
    await using gw = await startGateway(tcpConfig(yaml, `[{ destination: { host: ${host} } }]`), {
      ports: [PORT],
    })
    const client = await RawSocket.connect(gw.port(PORT))
    await client.untilEnd()
    expect(client.text).toBe('')
    await waitFor('the splice to end', () => gw.gateway.activeExchanges === 0)
    client.destroy()
  })
})

import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { waitFor } from '../../test/support/wait.ts'
import { FileReserve } from '../base/file-reserve.ts'
import { Findings } from '../compile/findings.ts'
import { meshSettings } from '../compile/mesh-settings.ts'
import type { ConnectionSettings } from '../snapshot/connection-settings.ts'
import { ConnectionGate } from './connection-gate.ts'
import { SocketServer } from './socket-server.ts'

const DEFAULTS = meshSettings(null, false, new Findings()).connections

let settings: ConnectionSettings
let refused: string[]
const servers: SocketServer[] = []
const gates: ConnectionGate[] = []
const clients: Socket[] = []
beforeEach(() => {
  settings = DEFAULTS
  refused = []
})
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy()
  for (const server of servers.splice(0)) {
    server.stopAccepting()
    server.destroyConnections()
  }
  for (const gate of gates.splice(0)) gate.close()
})

function gateOf(openFiles = 20_000): ConnectionGate {
  const gate = new ConnectionGate({
    settings: () => settings,
    onRefused: (reason) => refused.push(reason),
    onExhausted: () => undefined,
    files: new FileReserve(openFiles, () => settings.reservedFiles),
  })
  gates.push(gate)
  return gate
}

async function serve(gate: ConnectionGate, host = '127.0.0.1'): Promise<SocketServer> {
  const server = await SocketServer.bind(
    { host, port: 0 },
    {
      gate,
      bufferBytes: () => settings.bufferBytes,
      connections: () => server.connections,
      onConnection: (socket) => {
        socket.on('error', () => {})
        socket.on('end', () => socket.destroy())
        socket.resume()
        socket.write(`${socket.writableHighWaterMark}`)
      },
    },
  )
  servers.push(server)
  return server
}

type Outcome = string

/** What a client reads first, or the code of its error. */
async function outcome(server: SocketServer, localAddress = '127.0.0.1'): Promise<Outcome> {
  const host = server.address.host!
  const client = connect({ port: server.address.port, host, localAddress })
  clients.push(client)
  return new Promise((resolve) => {
    client.once('data', (bytes: Buffer) => resolve(bytes.toString()))
    client.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
    client.once('close', () => resolve('closed'))
  })
}

async function outcomes(count: number, server: SocketServer, from?: string): Promise<Outcome[]> {
  const all: Outcome[] = []
  for (let nth = 0; nth < count; nth++) all.push(await outcome(server, from))
  return all
}

const BUFFER = String(DEFAULTS.bufferBytes)

describe('connections over a limit are reset and counted, those there are stay', () => {
  test('of a listener', async () => {
    settings = { ...DEFAULTS, maxConnectionsPerListener: 2 }
    const gate = gateOf()
    const [first, second] = [await serve(gate), await serve(gate)]
    expect(await outcomes(3, first)).toEqual([BUFFER, BUFFER, 'ECONNRESET'])
    expect(await outcomes(1, second)).toEqual([BUFFER])
    expect(refused).toEqual(['listener-connection-limit'])
    expect([first.connections, gate.connections]).toEqual([2, 3])
  })

  test('of all listeners', async () => {
    settings = { ...DEFAULTS, maxConnections: 3 }
    const gate = gateOf()
    const [first, second] = [await serve(gate), await serve(gate)]
    expect(await outcomes(2, first)).toEqual([BUFFER, BUFFER])
    expect(await outcomes(2, second)).toEqual([BUFFER, 'ECONNRESET'])
    expect(refused).toEqual(['total-connection-limit'])
  })

  test('of one address, whichever listener it comes to', async () => {
    settings = { ...DEFAULTS, maxConnectionsPerAddress: 2 }
    const gate = gateOf()
    const [first, second] = [await serve(gate), await serve(gate)]
    expect(await outcomes(1, first, '127.0.0.7')).toEqual([BUFFER])
    expect(await outcomes(2, second, '127.0.0.7')).toEqual([BUFFER, 'ECONNRESET'])
    expect(await outcomes(1, second, '127.0.0.8')).toEqual([BUFFER])
    expect(refused).toEqual(['address-connection-limit'])
  })

  test('of the open files: half for connections, unless more is asked for; some stay free', async () => {
    const half = gateOf(8)
    expect(await outcomes(1, await serve(half))).toEqual(['ECONNRESET'])
    const asked = gateOf(20)
    settings = { ...DEFAULTS, maxConnections: 1_000 }
    // The test itself holds more files than that.
    expect(await outcomes(1, await serve(asked))).toEqual(['ECONNRESET'])
    settings = DEFAULTS
    const many = gateOf(2 * 20_000)
    expect(await outcomes(1, await serve(many))).toEqual([BUFFER])
    expect(refused).toEqual(['open-file-limit', 'open-file-limit'])
  })
})

test('a place is free again when its connection is gone', async () => {
  settings = { ...DEFAULTS, maxConnectionsPerAddress: 1, maxConnections: 1 }
  const gate = gateOf()
  const server = await serve(gate)
  expect(await outcomes(2, server)).toEqual([BUFFER, 'ECONNRESET'])
  clients[0]!.destroy()
  await waitFor('its place', () => gate.connections === 0)
  expect(await outcomes(1, server)).toEqual([BUFFER])
})

test('limits and buffers of the moment apply to the next connection', async () => {
  const server = await serve(gateOf())
  expect(await outcomes(1, server)).toEqual([BUFFER])
  settings = { ...DEFAULTS, bufferBytes: 4096, maxConnectionsPerListener: 3 }
  expect(await outcomes(3, server)).toEqual(['4096', '4096', 'ECONNRESET'])
})

test('a listening socket that was shut opens on its port again; connections stay', async () => {
  const server = await serve(gateOf())
  expect(await outcomes(1, server)).toEqual([BUFFER])
  server.pause()
  expect(await outcomes(1, server)).toEqual(['ECONNREFUSED'])
  await server.resume()
  await server.resume()
  expect(await outcomes(1, server)).toEqual([BUFFER])
  expect(clients[0]!.destroyed).toBe(false)
  server.stopAccepting()
  await server.resume()
  expect(await outcomes(1, server)).toEqual(['ECONNREFUSED'])
})

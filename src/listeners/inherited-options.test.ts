import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { waitFor } from '../../test/support/wait.ts'
import { FileReserve } from '../base/file-reserve.ts'
import { Findings } from '../compile/findings.ts'
import { meshSettings } from '../compile/mesh-settings.ts'
import { ConnectionGate } from './connection-gate.ts'
import { bequeathOptions } from './inherited-options.ts'
import { BACKLOG, SocketServer } from './socket-server.ts'

const ESTABLISHED = '01'
/** Field `tr` of /proc/net/tcp: the keep-alive timer runs, and nothing else. */
const KEEP_ALIVE_TIMER = '02'
const onLinux = test.skipIf(process.platform !== 'linux')
const open: (() => void)[] = []

afterEach(() => {
  for (const close of open.splice(0).reverse()) close()
})

/** Does the kernel keep the connection alive that was accepted on `port` from `clientPort`? */
function isKeptAlive(port: number, clientPort: number): boolean {
  const hex = (number: number): string => number.toString(16).toUpperCase().padStart(4, '0')
  const line = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((text) => text.trim().split(/\s+/))
    .find((fields) => fields[1]?.endsWith(`:${hex(port)}`) && fields[2]?.endsWith(hex(clientPort)))
  if (line === undefined || line[3] !== ESTABLISHED) throw new Error('there is no such connection')
  return line[5]!.startsWith(`${KEEP_ALIVE_TIMER}:`)
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  open.push(() => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  return socket
}

onLinux('connections have the options of the socket they were accepted on', async () => {
  const accepted: Socket[] = []
  const server = createServer((socket) => accepted.push(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  open.push(() => {
    for (const socket of accepted) socket.destroy()
    server.close()
  })
  const before = await connected(port)
  expect(bequeathOptions(server, 60_000)).toBe(true)
  const after = await connected(port)
  await waitFor('both', () => accepted.length === 2)
  expect(isKeptAlive(port, before.localPort!)).toBe(false)
  expect(isKeptAlive(port, after.localPort!)).toBe(true)
})

test('a server that does not listen has nothing to pass on', () => {
  expect(bequeathOptions(createServer(), 60_000)).toBe(false)
})

onLinux(
  'the first connections of a listener are kept alive as the later ones are, and have the same shape',
  async () => {
    const settings = meshSettings(null, false, new Findings()).connections
    const gate = new ConnectionGate({
      settings: () => settings,
      onRefused: () => undefined,
      onExhausted: () => undefined,
      files: new FileReserve(Infinity, () => 0),
    })
    const accepted = new Set<Socket>()
    const shapes: PropertyKey[][] = []
    const server = await SocketServer.bind(
      { host: '127.0.0.1', port: 0 },
      {
        gate,
        bufferBytes: () => 65_536,
        connections: () => accepted.size,
        onConnection: (socket) => {
          shapes.push(Reflect.ownKeys(socket))
          accepted.add(socket)
          socket.on('close', () => accepted.delete(socket))
          socket.on('error', () => undefined)
          socket.on('end', () => socket.destroy())
          socket.resume()
        },
      },
    )
    open.push(() => {
      server.stopAccepting()
      server.destroyConnections()
      gate.close()
    })
    const { port } = server.address
    const first = await connected(port)
    await waitFor('the first', () => accepted.size === 1)
    expect(isKeptAlive(port, first.localPort!)).toBe(true)
    for (let count = 0; count <= BACKLOG + 1; count++) {
      const socket = await connected(port)
      socket.destroy()
    }
    const last = await connected(port)
    await waitFor('the last', () => accepted.size === 2)
    expect(isKeptAlive(port, last.localPort!)).toBe(true)
    // Two shapes would be two kinds of sockets to the engine, see setOptions.
    expect(shapes.at(-1)).toEqual(shapes[0])
  },
)

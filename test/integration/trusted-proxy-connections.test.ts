import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { startGateway } from '../support/gateway.ts'
import { gateway, virtualService } from '../support/yaml.ts'

const YAML =
  gateway('gw', ['app.test']) +
  virtualService('app', ['app.test'], ['gw'], '  - { directResponse: { status: 204 } }')
const CONNECTIONS = 1_001

/** Opens more connections from one address than strangers may have; true when the last is served. */
async function servesTheLast(trustedProxies: readonly string[]): Promise<boolean> {
  await using gw = await startGateway(YAML, { ports: [80], trustedProxies })
  const sockets: Socket[] = []
  try {
    for (let i = 0; i < CONNECTIONS; i++) {
      const socket = connect(gw.port(80), '127.0.0.1')
      socket.on('error', () => {})
      sockets.push(socket)
      if (i < CONNECTIONS - 1) await once(socket, 'connect')
    }
    const last = sockets.at(-1)!
    last.write('GET / HTTP/1.1\r\nHost: app.test\r\n\r\n')
    return await new Promise<boolean>((resolve) => {
      last.once('data', () => resolve(true))
      last.once('close', () => resolve(false))
    })
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

test('many clients may come through one trusted proxy, but not from any other address', async () => {
  expect(await servesTheLast(['127.0.0.1'])).toBe(true)
  expect(await servesTheLast(['10.0.0.0/8'])).toBe(false)
})

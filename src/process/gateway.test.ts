import { networkInterfaces } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { call } from '../../test/support/call.ts'
import { startGateway, type TestGateway } from '../../test/support/gateway.ts'
import { RawSocket } from '../../test/support/raw-socket.ts'
import { startUpstream, type Upstream } from '../../test/support/upstream.ts'
import { gateway, service, virtualService } from '../../test/support/yaml.ts'

let upstream: Upstream
let gw: TestGateway
beforeAll(async () => {
  upstream = await startUpstream('done')
  const route = '  - route: [{ destination: { host: app } }]'
  const yaml =
    service('app', upstream.port) +
    gateway('gw', ['app.test']) +
    virtualService('app', ['app.test'], ['gw'], route)
  gw = await startGateway(yaml, { ports: [80], egressProxy: true })
})
afterAll(async () => {
  await gw[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

const HEAD = 'POST /form HTTP/1.1\r\nhost: app.test\r\n'

describe('a body that arrives in one segment with its head', () => {
  test.each([
    ['of known length', `${HEAD}content-length: 5\r\n\r\nhello`],
    ['chunked', `${HEAD}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`],
  ])(
    '%s, reaches the upstream whether or not there is a connection to it',
    async (_name, bytes) => {
      upstream.server.closeAllConnections()
      const client = await RawSocket.connect(gw.port(80))
      for (let nth = 1; nth <= 2; nth++) {
        client.text = ''
        client.write(bytes)
        await client.until('\r\n\r\ndone')
        expect(client.text).toMatch(/^HTTP\/1\.1 200 /)
        expect(upstream.seen.at(-1)).toMatchObject({ method: 'POST', url: '/form', body: 'hello' })
      }
      client.destroy()
    },
  )
})

describe('the egress proxy', () => {
  const own = Object.values(networkInterfaces())
    .flatMap((entries = []) => entries)
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address)

  test.each(['127.0.0.1', ...own])('does not go to its own address %s', async (address) => {
    const path = `http://${address}:${gw.egressPort}/`
    const answer = await call({ port: gw.egressPort, path, host: address })
    expect(answer.status).toBe(403)
    expect(answer.body).toContain(address)
  })
})

import { expect, test } from 'vitest'
import { startGateway } from '../../test/support/gateway.ts'
import { startUpstream } from '../../test/support/upstream.ts'
import { gateway, service, virtualService } from '../../test/support/yaml.ts'
import { RawSocket } from '../../test/support/raw-socket.ts'

test('smoke', async () => {
  await using one = await startUpstream('one')
  await using gw = await startGateway(
    service('one', one.port) +
      gateway('gw', ['app.test']) +
      virtualService('ws', ['app.test'], ['gw'], '  - route: [{ destination: { host: one } }]'),
    { ports: [80] },
  )
  const c = await RawSocket.connect(gw.port(80))
  c.write('POST /a HTTP/1.1\r\nhost: app.test\r\ncontent-length: 5\r\n\r\nhello')
  await new Promise((r) => setTimeout(r, 500))
  console.log(c.text, JSON.stringify(one.seen))
  c.write(
    'POST /a HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  )
  await new Promise((r) => setTimeout(r, 500))
  console.log(c.text, JSON.stringify(one.seen.at(-1)))
  expect(1).toBe(1)
  c.destroy()
})

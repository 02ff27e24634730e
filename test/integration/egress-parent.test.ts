import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { problemsOf } from '../support/admin-view.ts'
import { callProxy, openTunnel, refusedTunnel } from '../support/egress.ts'
import { startGateway } from '../support/gateway.ts'
import { RawServer } from '../support/raw-socket.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { service } from '../support/yaml.ts'

const EGRESS = { ports: [], egressProxy: true } as const

function mesh(policy: string): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    accessLogFile: /dev/stdout
    accessLogFormat: "%REQ(:METHOD)% to %UPSTREAM_CLUSTER% %RESPONSE_CODE%"
    outboundTrafficPolicy: { ${policy} }
---
`
}

const CHAINED = mesh(
  'mode: ALLOW_ANY, egressProxy: { host: squid.infra.svc.cluster.local, port: { number: 3128 } }',
)

interface Squid extends AsyncDisposable {
  readonly port: number
  /** Request lines as they came. */
  readonly asked: string[]
  readonly via: string[]
  refuses: boolean
}

/** An ordinary forward proxy that leads everything to one upstream. */
async function startSquid(upstreamPort: number): Promise<Squid> {
  const note = (request: IncomingMessage): void => {
    squid.asked.push(`${request.method} ${request.url}`)
    squid.via.push(String(request.headers.via))
  }
  const server: Server = createServer((request, response) => {
    note(request)
    response.end(`squid got ${request.url}`)
  })
  const open = new Set<Socket>()
  server.on('connect', (request, client: Socket, head) => {
    note(request)
    open.add(client)
    client.on('error', () => undefined)
    if (squid.refuses) {
      client.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n')
      return
    }
    const upstream = connect({ port: upstreamPort, host: '127.0.0.1', allowHalfOpen: true })
    open.add(upstream)
    upstream.on('error', () => client.destroy())
    client.write('HTTP/1.1 200 Connection established\r\n\r\n')
    if (head.length > 0) upstream.write(head)
    client.pipe(upstream).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const squid: Squid = {
    port: (server.address() as AddressInfo).port,
    asked: [],
    via: [],
    refuses: false,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
  return squid
}

function squidService(port: number): string {
  return service('squid', port, { namespace: 'infra', port: 3128 })
}

test('undeclared hosts go through the parent proxy, declared ones do not', async () => {
  await using web = await startUpstream('web')
  await using server = await new RawServer((socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  }).listen()
  await using squid = await startSquid(server.port)
  await using gw = await startGateway(
    CHAINED + squidService(squid.port) + service('web', web.port),
    EGRESS,
  )
  const plain = await callProxy(gw.egressPort, 'http://far.test:8080/a?b=c')
  expect(plain).toMatchObject({ status: 200, body: 'squid got http://far.test:8080/a?b=c' })
  const { status, socket } = await openTunnel(gw.egressPort, 'far.test:443', 'through and ')
  expect(status).toBe(200)
  let back = ''
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => (back += text))
  socket.resume()
  socket.write('back')
  await waitFor('the echo', () => back === 'through and back')
  socket.destroy()
  expect((await callProxy(gw.egressPort, 'http://web:8080/')).body).toBe('web')
  expect(squid.asked).toEqual(['GET http://far.test:8080/a?b=c', 'CONNECT far.test:443'])
  for (const via of squid.via) expect(via).toMatch(/^1\.1 tidegate-\w{8}$/)
  await waitFor('the access log', () => gw.accessLog().split('\n').length > 3)
  const name = 'outbound|3128||squid.infra.svc.cluster.local'
  expect(gw.accessLog()).toContain(`GET to ${name} 200\n`)
  expect(gw.accessLog()).toContain(`CONNECT to ${name} 200\n`)
})

test('what the parent refuses is 503; guarded addresses never get there', async () => {
  await using squid = await startSquid(1)
  squid.refuses = true
  await using gw = await startGateway(CHAINED + squidService(squid.port), EGRESS)
  expect((await refusedTunnel(gw.egressPort, 'far.test:443')).status).toBe(503)
  const asked = squid.asked.length
  for (const host of ['169.254.169.254', '0x7f.1', 'localhost', '[::ffff:10.0.0.1]']) {
    expect((await refusedTunnel(gw.egressPort, `${host}:443`)).status).toBe(403)
    expect((await callProxy(gw.egressPort, `http://${host}/`)).status).toBe(403)
  }
  expect(squid.asked).toHaveLength(asked)
})

test('a parent that nobody declares is a finding, and 503 rather than a way round it', async () => {
  await using web = await startUpstream('web')
  await using gw = await startGateway(CHAINED, { ...EGRESS, egressAllow: ['127.0.0.0/8'] })
  expect((await problemsOf(gw, 'egress-proxy-invalid')).map(({ severity }) => severity)).toEqual([
    'error',
  ])
  expect((await callProxy(gw.egressPort, `http://127.0.0.1:${web.port}/`)).status).toBe(503)
  expect((await refusedTunnel(gw.egressPort, `127.0.0.1:${web.port}`)).status).toBe(503)
  expect(web.seen).toHaveLength(0)
})

test('with REGISTRY_ONLY it has no effect, and that is said', async () => {
  await using squid = await startSquid(1)
  const closed = mesh(
    'mode: REGISTRY_ONLY, egressProxy: { host: squid.infra.svc.cluster.local, port: { number: 3128 } }',
  )
  await using gw = await startGateway(closed + squidService(squid.port), EGRESS)
  expect(await problemsOf(gw, 'egress-proxy-invalid')).toHaveLength(1)
  expect((await callProxy(gw.egressPort, 'http://far.test/')).status).toBe(502)
  expect(squid.asked).toEqual([])
})

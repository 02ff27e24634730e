import { request } from 'node:http'
import { expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { callProxy } from '../support/egress.ts'
import { startGateway } from '../support/gateway.ts'
import { RawSocket } from '../support/raw-socket.ts'
import { startUpstream } from '../support/upstream.ts'
import { service, virtualService } from '../support/yaml.ts'

const EGRESS = { ports: [], egressProxy: true } as const

const REGISTRY_ONLY = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    outboundTrafficPolicy: { mode: REGISTRY_ONLY }
---
`

test('a service is reached by each of its names, and by no other port', async () => {
  await using web = await startUpstream('web')
  await using gw = await startGateway(
    REGISTRY_ONLY + service('web', web.port, { namespace: 'team', port: 8080 }),
    EGRESS,
  )
  const names = ['web', 'web.team', 'web.team.svc', 'web.team.svc.cluster.local', 'WEB.Team']
  for (const name of [...names, 'web.team.svc.cluster.local.']) {
    const answer = await callProxy(gw.egressPort, `http://${name}:8080/a/b?c=d`)
    expect([name, answer.status, answer.body]).toEqual([name, 200, 'web'])
  }
  expect(web.seen.map((seen) => seen.url)).toEqual(Array(6).fill('/a/b?c=d'))
  expect(web.seen[1]!.headers.host).toBe('web.team:8080')
  for (const unknown of ['web:8081', 'web', 'web.default:8080', 'web.team.cluster.local:8080']) {
    const answer = await callProxy(gw.egressPort, `http://${unknown}/`)
    expect([unknown, answer.status]).toEqual([unknown, 502])
  }
  expect(web.seen).toHaveLength(6)
})

test('a service on port 80 needs no port in the URL', async () => {
  await using web = await startUpstream('web')
  await using gw = await startGateway(service('web', web.port, { port: 80 }), EGRESS)
  expect((await callProxy(gw.egressPort, 'http://web/')).body).toBe('web')
  expect((await callProxy(gw.egressPort, 'http://web:80/')).body).toBe('web')
  expect((await callProxy(gw.egressPort, 'http://web?only=query')).body).toBe('web')
  expect(web.seen.map(({ url }) => url)).toEqual(['/', '/', '/?only=query'])
})

test('an origin-form request goes where its Host says', async () => {
  await using web = await startUpstream('web')
  await using gw = await startGateway(service('web', web.port), EGRESS)
  const answer = await call({ port: gw.egressPort, host: 'web:8080', path: '/here' })
  expect(answer.body).toBe('web')
  expect(web.seen[0]).toMatchObject({ url: '/here', headers: { host: 'web:8080' } })
})

test('the target decides, whatever Host says beside it', async () => {
  await using web = await startUpstream('web')
  await using gw = await startGateway(service('web', web.port), EGRESS)
  const answer = await callProxy(gw.egressPort, 'http://web:8080/', { host: 'other.test' })
  expect(answer.body).toBe('web')
  expect(web.seen[0]!.headers.host).toBe('web:8080')
})

test('bodies pass in both directions, with a length and in chunks', async () => {
  await using echo = await startUpstream((incoming, response) => {
    response.setHeader('x-method', incoming.method ?? '')
    response.setHeader('x-length', incoming.headers['content-length'] ?? 'chunked')
    incoming.pipe(response)
  })
  await using gw = await startGateway(service('echo', echo.port), EGRESS)
  const body = 'x'.repeat(300_000)
  const known = await callProxy(gw.egressPort, 'http://echo:8080/', { method: 'POST', body })
  expect(known.headers).toMatchObject({ 'x-method': 'POST', 'x-length': '300000' })
  expect(known.body === body).toBe(true)

  const chunked = await new Promise<string>((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: gw.egressPort,
        method: 'PUT',
        path: 'http://echo:8080/',
        headers: { host: 'echo:8080', 'transfer-encoding': 'chunked' },
        agent: false,
      },
      (response) => {
        let text = `${String(response.headers['x-length'])} `
        response.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
        response.on('end', () => resolve(text))
      },
    )
    sent.on('error', reject)
    sent.write('one ')
    sent.end('two')
  })
  expect(chunked).toBe('chunked one two')
})

test('what is meant for the proxy is not passed on', async () => {
  await using web = await startUpstream('web')
  await using gw = await startGateway(service('web', web.port), EGRESS)
  const headers = {
    'proxy-authorization': 'Basic c2VjcmV0',
    'proxy-connection': 'keep-alive',
    connection: 'close, x-hop',
    'x-hop': '1',
    'x-end': '2',
  }
  await callProxy(gw.egressPort, 'http://web:8080/', { headers })
  const names = Object.keys(web.seen[0]!.headers)
  expect(names).toContain('x-end')
  for (const gone of ['proxy-authorization', 'proxy-connection', 'x-hop']) {
    expect(names).not.toContain(gone)
  }
})

test('one kept connection serves requests to different hosts, pipelined ones in order', async () => {
  await using one = await startUpstream('from one')
  await using two = await startUpstream('from two')
  await using gw = await startGateway(service('one', one.port) + service('two', two.port), EGRESS)
  const client = await RawSocket.connect(gw.egressPort)
  const get = (host: string, last = false): string =>
    `GET http://${host}/ HTTP/1.1\r\nhost: ${host}\r\n${last ? 'connection: close\r\n' : ''}\r\n`
  client.write(get('one:8080') + get('two:8080') + get('one:8080', true))
  const text = await client.untilEnd()
  expect(text.match(/from (?:one|two)/g)).toEqual(['from one', 'from two', 'from one'])
  client.destroy()
})

test('mesh-bound VirtualServices rewrite, set headers and choose by match; gateway-bound ones do not apply', async () => {
  await using web = await startUpstream('web')
  await using api = await startUpstream('api')
  const rules = virtualService(
    'web',
    ['web'],
    ['mesh'],
    `  - match: [{ uri: { prefix: /api/ } }]
    rewrite: { uri: /v2/, authority: api.internal }
    headers:
      request: { set: { x-team: blue }, remove: [x-drop] }
      response: { add: { x-via: egress } }
    route: [{ destination: { host: api } }]
  - match: [{ uri: { exact: /old } }]
    redirect: { uri: /new }
  - route: [{ destination: { host: web } }]`,
  )
  const foreign = virtualService(
    'foreign',
    ['web'],
    ['somewhere'],
    '  - directResponse: { status: 418 }',
  )
  await using gw = await startGateway(
    service('web', web.port) + service('api', api.port) + rules + foreign,
    EGRESS,
  )
  const answer = await callProxy(gw.egressPort, 'http://web:8080/api/things?all=1', {
    headers: { 'x-drop': '1' },
  })
  expect(answer).toMatchObject({ status: 200, body: 'api', headers: { 'x-via': 'egress' } })
  expect(api.seen[0]).toMatchObject({
    url: '/v2/things?all=1',
    headers: { host: 'api.internal', 'x-team': 'blue' },
  })
  expect(api.seen[0]!.headers).not.toHaveProperty('x-drop')
  const moved = await callProxy(gw.egressPort, 'http://web:8080/old')
  expect(moved).toMatchObject({ status: 301, headers: { location: 'http://web:8080/new' } })
  expect((await callProxy(gw.egressPort, 'http://web:8080/other')).body).toBe('web')
})

test('a destination without endpoints answers 503, one that was removed is unknown', async () => {
  await using web = await startUpstream('web')
  const empty = `apiVersion: v1
kind: Service
metadata: { name: empty }
spec: { ports: [{ name: http, port: 8080 }] }
---
`
  await using gw = await startGateway(REGISTRY_ONLY + empty + service('web', web.port), EGRESS)
  expect(await callProxy(gw.egressPort, 'http://empty:8080/')).toMatchObject({
    status: 503,
    body: 'no healthy upstream',
  })
  expect((await callProxy(gw.egressPort, 'http://web:8080/')).status).toBe(200)
  gw.write('config.yaml', REGISTRY_ONLY + empty)
  await gw.reload()
  expect((await callProxy(gw.egressPort, 'http://web:8080/')).status).toBe(502)
})

import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { ACCESS_LOG_MESH, loggedExchanges } from '../support/access-log.ts'
import { startBlackHole } from '../support/black-hole.ts'
import { call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { RawServer } from '../support/raw-socket.ts'
import { destinationRule, routedTo } from '../support/routed.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, virtualService } from '../support/yaml.ts'

const get = (gw: TestGateway, path: string): ReturnType<typeof call> =>
  call({ port: gw.port(80), host: 'app.test', path })

/** A loopback port that refuses connections. */
async function refusedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** A ServiceEntry whose endpoints listen on different ports. */
function endpoints(name: string, ports: readonly number[]): string {
  const list = ports.map((port) => `{ address: 127.0.0.1, ports: { http: ${port} } }`)
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec:
  hosts: [${name}.test]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [${list.join(', ')}]
---
`
}

describe('timeouts', () => {
  test('a silent upstream: 504 UT after the route timeout, and the upstream is told', async () => {
    let closed = false
    await using app = await startUpstream((request) => {
      request.socket.on('close', () => (closed = true))
    })
    await using gw = await startGateway(
      ACCESS_LOG_MESH + routedTo(app.port, { rule: 'timeout: 0.2s' }),
      { ports: [80] },
    )
    const began = performance.now()
    const answer = await get(gw, '/silent')
    expect([answer.status, answer.body]).toEqual([504, 'upstream request timeout'])
    expect(performance.now() - began).toBeGreaterThan(190)
    await waitFor('the upstream to hear of it', () => closed)
    const line = (await loggedExchanges(gw, ['/silent'])).get('/silent')!
    expect([line.flags, line.details]).toEqual(['UT', 'response_timeout'])
  })

  test('an answer that has begun is cut off, never completed', async () => {
    await using app = await startUpstream((_request, response) => {
      response.write('begun')
    })
    await using gw = await startGateway(
      ACCESS_LOG_MESH + routedTo(app.port, { rule: 'timeout: 0.2s' }),
      { ports: [80] },
    )
    await expect(get(gw, '/begun')).rejects.toThrow()
    const line = (await loggedExchanges(gw, ['/begun'])).get('/begun')!
    expect([line.status, line.flags]).toEqual(['200', 'UT'])
  })

  test('a gRPC request gets UNAVAILABLE in HTTP 200', async () => {
    await using app = await startUpstream(() => undefined)
    await using gw = await startGateway(routedTo(app.port, { rule: 'timeout: 0.1s' }), {
      ports: [80],
    })
    const headers = { 'content-type': 'application/grpc' }
    const answer = await call({ port: gw.port(80), host: 'app.test', headers })
    expect([answer.status, answer.headers['grpc-status']]).toEqual([200, '14'])
    expect(answer.headers['grpc-message']).toBe('upstream request timeout')
  })

  test('perTryTimeout tries again where the policy retries timeouts', async () => {
    let requests = 0
    await using app = await startUpstream((_request, response) => {
      if (++requests > 1) response.end('second')
    })
    const rule = 'retries: { attempts: 2, perTryTimeout: 0.2s, retryOn: "5xx" }'
    await using gw = await startGateway(routedTo(app.port, { rule }), { ports: [80] })
    const answer = await get(gw, '/')
    expect([answer.status, answer.body, requests]).toEqual([200, 'second', 2])
  })

  test('a connect that nobody answers: 503 UF after connectTimeout', async () => {
    await using hole = await startBlackHole()
    const yaml = routedTo(hole.port, {
      rule: 'retries: { attempts: 0 }',
      policy: '{ connectionPool: { tcp: { connectTimeout: 0.3s } } }',
    })
    await using gw = await startGateway(ACCESS_LOG_MESH + yaml, { ports: [80] })
    const began = performance.now()
    const answer = await get(gw, '/hole')
    expect(answer.status).toBe(503)
    expect(answer.body).toMatch(/^upstream connect error .*connection timeout/)
    expect(performance.now() - began).toBeGreaterThan(290)
    expect((await loggedExchanges(gw, ['/hole'])).get('/hole')!.flags).toBe('UF')
  })
})

describe('connection limits', () => {
  test('one connection and one waiter: the third request is refused with UO at once', async () => {
    const waiting: (() => void)[] = []
    await using app = await startUpstream((request, response) => {
      waiting.push(() => response.end(request.url))
    })
    const policy =
      '{ connectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } } }'
    await using gw = await startGateway(ACCESS_LOG_MESH + routedTo(app.port, { policy }), {
      ports: [80],
    })
    const first = get(gw, '/first')
    await waitFor('the first request', () => waiting.length === 1)
    const second = get(gw, '/second')
    await waitFor('the second request to queue', () => gw.gateway.activeExchanges === 2)
    const third = await get(gw, '/third')
    expect([third.status, third.headers['x-envoy-overloaded']]).toEqual([503, 'true'])
    expect(third.body).toMatch(/reset reason: overflow$/)
    waiting.shift()!()
    expect((await first).body).toBe('/first')
    await waitFor('the second request', () => waiting.length === 1)
    waiting.shift()!()
    expect((await second).body).toBe('/second')
    expect((await loggedExchanges(gw, ['/third'])).get('/third')!.flags).toBe('UO')
  })

  test('http2MaxRequests counts requests of HTTP/1 too', async () => {
    const waiting: (() => void)[] = []
    await using app = await startUpstream((_request, response) => {
      waiting.push(() => response.end('done'))
    })
    const policy = '{ connectionPool: { http: { http2MaxRequests: 1 } } }'
    await using gw = await startGateway(routedTo(app.port, { policy }), { ports: [80] })
    const first = get(gw, '/')
    await waitFor('the first request', () => waiting.length === 1)
    const second = await get(gw, '/')
    expect([second.status, second.headers['x-envoy-overloaded']]).toEqual([503, 'true'])
    waiting.shift()!()
    expect((await first).body).toBe('done')
  })

  test('maxRequestsPerConnection 1 gives every request a connection of its own', async () => {
    await using app = await startUpstream('ok')
    let connections = 0
    app.server.on('connection', () => connections++)
    const policy = '{ connectionPool: { http: { maxRequestsPerConnection: 1 } } }'
    await using gw = await startGateway(routedTo(app.port, { policy }), { ports: [80] })
    for (let i = 0; i < 3; i++) expect((await get(gw, '/')).status).toBe(200)
    expect(connections).toBe(3)
  })
})

describe('retries', () => {
  const toPool = (rule = ''): string =>
    gateway('gw', ['app.test']) +
    virtualService(
      'app',
      ['app.test'],
      ['gw'],
      `  - { route: [{ destination: { host: pool.test } }] ${rule} }`,
    )

  test('a refused connect goes to another endpoint, for a POST with its body too', async () => {
    await using app = await startUpstream('alive')
    const dead = await refusedPort()
    const yaml = endpoints('pool', [dead, app.port]) + toPool()
    const policy = destinationRule('pool.test', '{ loadBalancer: { simple: ROUND_ROBIN } }')
    await using gw = await startGateway(yaml + policy.replace('name: pool.test', 'name: pool'), {
      ports: [80],
    })
    for (let i = 0; i < 8; i++) {
      const answer = await call({
        port: gw.port(80),
        host: 'app.test',
        method: 'POST',
        body: `body ${i}`,
      })
      expect([answer.status, answer.body]).toEqual([200, 'alive'])
    }
    expect(app.seen.map((seen) => seen.body)).toEqual(
      Array.from({ length: 8 }, (_, i) => `body ${i}`),
    )
    const attempts = app.seen.map((seen) => seen.headers['x-envoy-attempt-count'])
    expect(attempts).toContain('2')
  })

  test('statuses are retried only where the policy names them, and URX tells when it was in vain', async () => {
    let requests = 0
    await using app = await startUpstream((request, response) => {
      requests++
      response.statusCode = request.url === '/heals' && requests === 2 ? 200 : 503
      response.end('answer')
    })
    const rule = ', retries: { attempts: 2, retryOn: "503" }'
    await using gw = await startGateway(
      ACCESS_LOG_MESH + endpoints('pool', [app.port]) + toPool(rule),
      { ports: [80] },
    )
    expect((await get(gw, '/heals')).status).toBe(200)
    expect(requests).toBe(2)
    requests = 10
    const failed = await get(gw, '/fails')
    expect([failed.status, failed.body, requests]).toEqual([503, 'answer', 13])
    expect((await loggedExchanges(gw, ['/fails'])).get('/fails')!.flags).toBe('URX')
    gw.write('config.yaml', endpoints('pool', [app.port]) + toPool())
    await gw.reload()
    requests = 20
    expect((await get(gw, '/fails')).status).toBe(503)
    expect(requests).toBe(21)
  })

  test('a request whose upload reached a dying endpoint is not sent twice unless its route asks', async () => {
    let requests = 0
    await using server = await new RawServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.once('data', () => {
        requests++
        socket.resetAndDestroy()
      })
    }).listen()
    const mesh = ACCESS_LOG_MESH.replace(
      '    accessLogFile',
      '    defaultHttpRetryPolicy: { attempts: 3, retryOn: "5xx,reset" }\n    accessLogFile',
    )
    const pool = mesh + endpoints('pool', [server.port])
    await using gw = await startGateway(pool + toPool(), { ports: [80] })
    const post = { port: gw.port(80), host: 'app.test', method: 'POST', body: 'x' }
    expect([(await call(post)).status, requests]).toEqual([503, 1])
    gw.write('config.yaml', pool + toPool(', retries: { attempts: 3, retryOn: "5xx,reset" }'))
    await gw.reload()
    requests = 0
    expect([(await call(post)).status, requests]).toEqual([503, 4])
  })
})

test('an upstream that speaks nonsense: 502 UPE, and its connection is not used again', async () => {
  let connections = 0
  await using server = await new RawServer((socket) => {
    connections++
    socket.on('error', () => socket.destroy())
    socket.once('data', () =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nok'),
    )
  }).listen()
  await using gw = await startGateway(ACCESS_LOG_MESH + routedTo(server.port), { ports: [80] })
  for (const path of ['/one', '/two']) expect((await get(gw, path)).status).toBe(502)
  expect(connections).toBe(2)
  const lines = await loggedExchanges(gw, ['/one', '/two'])
  expect([lines.get('/one')!.flags, lines.get('/two')!.flags]).toEqual(['UPE', 'UPE'])
})

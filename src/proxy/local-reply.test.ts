import { describe, expect, test } from 'vitest'
import { forwardTo, ProxyBench, routeOf } from '../../test/support/proxy-bench.ts'
import { compileHeaders, type HeaderMutation } from '../routing/header-mutation.ts'
import type { RouteAction } from '../routing/route.ts'
import { failure } from '../upstream/failures.ts'

function direct(status: number, body: string): RouteAction {
  return { type: 'direct-response', status, body: Buffer.from(body) }
}

function responseOps(operations: Parameters<typeof compileHeaders>[0][number]): HeaderMutation {
  return compileHeaders([operations], 'response').mutation!
}

describe('a local answer', () => {
  test('has its body, a type, a date and the server name', () => {
    using bench = new ProxyBench()
    const client = bench.ingress(routeOf(direct(503, 'sorry')))
    expect(client.status).toBe(503)
    expect(client.body).toBe('sorry')
    expect(client.headers.get('content-type')).toBe('text/plain')
    expect(client.headers.get('server')).toBe('istio-envoy')
    expect(Date.parse(client.headers.get('date')!)).toBeGreaterThan(Date.now() - 5000)
    client.flushed()
    expect(bench.records).toMatchObject([{ status: 503, flags: '-', details: 'direct_response' }])
  })

  test('without body has no type', () => {
    using bench = new ProxyBench()
    expect(bench.ingress(routeOf(direct(200, ''))).headers.has('content-type')).toBe(false)
  })

  test('to HEAD tells the length and sends nothing', () => {
    using bench = new ProxyBench()
    const client = bench.ingress(routeOf(direct(200, 'größe')), { method: 'HEAD' })
    expect(client.bodyLength).toBe(7)
    expect(client.body).toBe('')
    expect(client.answered).toBe(true)
  })

  test('the server name can be left out', () => {
    using bench = new ProxyBench({ mesh: { serverHeader: null } })
    expect(bench.ingress(routeOf(direct(200, 'x'))).headers.has('server')).toBe(false)
  })

  test.each([
    [200, null],
    [201, 'http://shop.test/a?b=1'],
    [307, 'http://shop.test/a?b=1'],
    [404, null],
  ])('direct response %i: location %s', (status, location) => {
    using bench = new ProxyBench()
    const sketch = { authority: 'shop.test', target: '/a?b=1' }
    expect(bench.ingress(routeOf(direct(status, '')), sketch).headers.get('location')).toBe(
      location,
    )
  })
})

describe('response header operations of the route', () => {
  const responseHeaders = responseOps({
    set: { 'x-set': 'route', 'content-type': 'text/html' },
    remove: ['location'],
  })

  test('decorate direct responses', () => {
    using bench = new ProxyBench()
    const client = bench.ingress(routeOf(direct(200, '<p>'), { responseHeaders }))
    expect(client.headers.get('x-set')).toBe('route')
    expect(client.headers.combined('content-type')).toBe('text/html')
  })

  test('decorate errors that come after the choice of the route', () => {
    using bench = new ProxyBench()
    const route = routeOf(forwardTo(bench.cluster), { responseHeaders })
    const client = bench.ingress(route)
    bench.cluster.attempts[0]!.fails(failure('no-endpoint'))
    expect(client.status).toBe(503)
    expect(client.body).toBe('no healthy upstream')
    expect(client.headers.get('x-set')).toBe('route')
  })

  test('come after those of the destination, so that the route wins', () => {
    using bench = new ProxyBench()
    const destinationResponse = responseOps({ set: { 'x-set': 'dest', 'x-dest': '1' } })
    const route = routeOf(forwardTo(bench.cluster, { destinationResponse }), { responseHeaders })
    const client = bench.ingress(route)
    bench.cluster.attempts[0]!.heads(200)
    expect(client.headers.combined('x-set')).toBe('route')
    expect(client.headers.get('x-dest')).toBe('1')
  })

  test('a destination that does not exist: 503 NC, decorated', () => {
    using bench = new ProxyBench()
    const client = bench.ingress(routeOf(forwardTo(null), { responseHeaders }))
    expect(client.status).toBe(503)
    expect(client.body).toBe('')
    expect(client.headers.get('x-set')).toBe('route')
    client.flushed()
    expect(bench.records).toMatchObject([
      { status: 503, flags: 'NC', details: 'cluster_not_found' },
    ])
  })
})

describe('a gRPC request', () => {
  const grpc = { method: 'POST', headers: ['content-type', 'application/grpc+proto'] }

  test('gets 200 with the mapped status, trailers only', () => {
    using bench = new ProxyBench()
    const client = bench.ingress(routeOf(forwardTo(bench.cluster)), grpc)
    bench.cluster.attempts[0]!.fails(failure('no-endpoint'))
    expect(client.status).toBe(200)
    expect(client.answered).toBe(true)
    expect(client.body).toBe('')
    expect(client.headers.get('content-type')).toBe('application/grpc')
    expect(client.headers.get('grpc-status')).toBe('14')
    expect(client.headers.get('grpc-message')).toBe('no healthy upstream')
    client.flushed()
    expect(bench.records).toMatchObject([{ status: 200, grpcStatus: '14', flags: 'UH' }])
  })

  test('the message is the bytes of the body, encoded', () => {
    using bench = new ProxyBench()
    const client = bench.ingress(routeOf(direct(403, 'nö 100%')), grpc)
    expect(client.headers.get('grpc-status')).toBe('7')
    expect(client.headers.get('grpc-message')).toBe('n%C3%B6 100%25')
  })

  test('a filter answers with text beyond latin1', () => {
    using bench = new ProxyBench()
    const client = bench.ingress(
      routeOf(forwardTo(bench.cluster), {
        filters: [
          {
            name: 'deny',
            onRequest: (exchange) => {
              exchange.answer(403, exchange.request.headers.clone(), '語', '', 'denied')
              return 1
            },
          },
        ],
      }),
      grpc,
    )
    expect(client.headers.get('grpc-message')).toBe('%E8%AA%9E')
  })

  test('without body there is no message', () => {
    using bench = new ProxyBench()
    const client = bench.ingress(routeOf(direct(404, '')), grpc)
    expect(client.headers.get('grpc-status')).toBe('12')
    expect(client.headers.has('grpc-message')).toBe(false)
  })
})

test('a refused upgrade takes no further request on its connection', () => {
  using bench = new ProxyBench()
  const local = bench.ingress(routeOf(direct(403, '')), { upgrade: 'websocket' })
  expect(local.closing).toBe(true)
  const relayed = bench.ingress(routeOf(forwardTo(bench.cluster)), { upgrade: 'websocket' })
  bench.cluster.attempts[0]!.heads(200)
  expect(relayed.status).toBe(200)
  expect(relayed.closing).toBe(true)
  const other = bench.ingress(routeOf(forwardTo(bench.cluster)), { upgrade: 'h2c' })
  expect(other.status).toBe(403)
  expect(other.closing).toBe(true)
})

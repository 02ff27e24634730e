import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { ACCESS_LOG_MESH, loggedExchanges } from '../support/access-log.ts'
import { WIRES } from '../support/both-wires.ts'
import { startFlaky } from '../support/flaky-upstream.ts'
import { startGateway } from '../support/gateway.ts'
import { routedTo } from '../support/routed.ts'

const HOST = 'app.test'
const GRPC = { 'content-type': 'application/grpc', te: 'trailers' }

/** Begins an answer to each request, complete or not, and never ends it. */
async function startDripping(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((_request, response: ServerResponse) => {
    response.writeHead(200)
    response.write('first part')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

describe.each(WIRES)('$name client', (wire) => {
  test('an upstream that is silent: 504 UT', async () => {
    await using upstream = await startFlaky('h1', ['silence'])
    const yaml = ACCESS_LOG_MESH + routedTo(upstream.port, { rule: 'timeout: 50ms' })
    await using gw = await startGateway(yaml)
    const answer = await wire.ask({ port: gw.port(80), host: HOST, path: '/a' })
    expect(answer.status).toBe(504)
    expect(answer.body.toString()).toBe('upstream request timeout')
    const log = await loggedExchanges(gw, ['/a'])
    expect(log.get('/a')).toEqual({ status: '504', flags: 'UT', details: 'response_timeout' })
    expect(upstream.seen[0]!.headers['x-envoy-expected-rq-timeout-ms']).toBe('50')
  })

  test('an answer that lasts longer is cut off', async () => {
    await using upstream = await startDripping()
    const yaml = ACCESS_LOG_MESH + routedTo(upstream.port, { rule: 'timeout: 100ms' })
    await using gw = await startGateway(yaml)
    const answer = await wire.ask({ port: gw.port(80), host: HOST, path: '/a' })
    expect(answer.isCut).toBe(true)
    expect((await loggedExchanges(gw, ['/a'])).get('/a')).toMatchObject({ flags: 'UT' })
  })

  test('perTryTimeout: the next try answers', async () => {
    await using upstream = await startFlaky('h1', ['silence'])
    const rule = 'retries: { attempts: 1, perTryTimeout: 50ms, retryOn: reset, backoff: 1ms }'
    await using gw = await startGateway(routedTo(upstream.port, { rule }))
    const answer = await wire.ask({ port: gw.port(80), host: HOST, method: 'PUT', body: 'again' })
    expect(answer.status).toBe(200)
    expect(upstream.seen.map(({ body }) => body)).toEqual(['again', 'again'])
  })
})

describe('gRPC', () => {
  test.each([
    ['the client has no time left: DEADLINE_EXCEEDED', 'timeout: 0s', '50m', '4'],
    ['the route is stricter: UNAVAILABLE', 'timeout: 50ms', '10S', '14'],
  ])('%s', async (_name, rule, timeout, status) => {
    await using upstream = await startFlaky('h2', ['silence'])
    await using gw = await startGateway(routedTo(upstream.port, { portName: 'grpc', rule }))
    const answer = await WIRES[1]!.ask({
      port: gw.port(80),
      host: HOST,
      method: 'POST',
      headers: { ...GRPC, 'grpc-timeout': timeout },
      body: 'call',
    })
    expect(answer).toMatchObject({ status: 200, headers: { 'grpc-status': status } })
    expect(answer.body.length).toBe(0)
    expect(upstream.seen[0]!.headers['grpc-timeout']).toBe('50m')
  })
})

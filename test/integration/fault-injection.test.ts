import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ACCESS_LOG_MESH, loggedExchanges } from '../support/access-log.ts'
import { WIRES } from '../support/both-wires.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const RATINGS = readFileSync(
  join(import.meta.dirname, '../fixtures/fault-injection/ratings.yaml'),
  'utf8',
)
const DESTINATION = 'route: [{ destination: { host: web } }]'

/** A gateway on port 80 with these rules for app.test, by name. */
function startRules(
  upstreamPort: number,
  rules: Readonly<Record<string, string>>,
): Promise<TestGateway> {
  const http = Object.entries(rules)
    .map(
      ([name, rule]) =>
        `  - { name: ${name}, match: [{ uri: { prefix: /${name} } }], ${rule}, ${DESTINATION} }`,
    )
    .join('\n')
  return startGateway(
    ACCESS_LOG_MESH +
      service('web', upstreamPort) +
      gateway('gw', ['*']) +
      virtualService('v', ['app.test'], ['gw'], http),
  )
}

function faultOf(fault: string): string {
  return `fault: { ${fault} }`
}

const DELAY = (delay: string): string =>
  `delay: { fixedDelay: ${delay}, percentage: { value: 100 } }`
const ABORT = (status: string): string => `abort: { ${status}, percentage: { value: 100 } }`

async function metric(gw: TestGateway, name: string): Promise<number> {
  const text = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
}

/** Response flags of the requests so far, as istio_requests_total has them. */
async function countedFlags(gw: TestGateway): Promise<readonly string[]> {
  const text = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
  return [...text.matchAll(/^istio_requests_total\{.*response_flags="([^"]*)"/gm)].map(
    ([, flags = '']) => flags,
  )
}

describe.each(WIRES)('$name', (wire) => {
  test('abort: the status, the body and the flag; the upstream sees nothing', async () => {
    await using upstream = await startUpstream('ok')
    await using gw = await startRules(upstream.port, { gone: faultOf(ABORT('httpStatus: 410')) })
    const answer = await wire.ask({ port: gw.port(80), path: '/gone' })
    expect(answer.status).toBe(410)
    expect(answer.body.toString()).toBe('fault filter abort')
    expect(answer.headers['content-type']).toBe('text/plain')
    expect(upstream.seen).toEqual([])
    expect((await loggedExchanges(gw, ['/gone'])).get('/gone')).toEqual({
      status: '410',
      flags: 'FI',
      details: 'fault_filter_abort',
    })
    expect(await metric(gw, 'envoy_http_fault_aborts_injected')).toBe(1)
  })

  test('abort of a gRPC request: HTTP 200, the code in a trailers-only answer', async () => {
    await using upstream = await startUpstream('ok')
    await using gw = await startRules(upstream.port, {
      named: faultOf(ABORT('grpcStatus: RESOURCE_EXHAUSTED')),
      mapped: faultOf(ABORT('httpStatus: 503')),
    })
    const ask = (path: string) =>
      wire.ask({
        port: gw.port(80),
        path,
        method: 'POST',
        headers: { 'content-type': 'application/grpc+proto' },
        body: 'call',
      })
    for (const [path, code] of [
      ['/named', '8'],
      ['/mapped', '14'],
    ] as const) {
      const answer = await ask(path)
      expect(answer.status).toBe(200)
      expect(answer.headers).toMatchObject({
        'content-type': 'application/grpc',
        'grpc-status': code,
        'grpc-message': 'fault filter abort',
      })
      expect(answer.body).toHaveLength(0)
    }
    expect(upstream.seen).toEqual([])
  })

  test('abort with grpcStatus of a plain request: HTTP 200 with the code', async () => {
    await using upstream = await startUpstream('ok')
    await using gw = await startRules(upstream.port, { g: faultOf(ABORT('grpcStatus: NOT_FOUND')) })
    const answer = await wire.ask({ port: gw.port(80), path: '/g' })
    expect(answer.status).toBe(200)
    expect(answer.headers['grpc-status']).toBe('5')
    expect(answer.body.toString()).toBe('fault filter abort')
  })

  test('delay: the whole request arrives, late', async () => {
    await using upstream = await startUpstream('ok')
    await using gw = await startRules(upstream.port, { slow: faultOf(DELAY('0.25s')) })
    const began = performance.now()
    const body = 'b'.repeat(100_000)
    const answer = await wire.ask({ port: gw.port(80), path: '/slow', method: 'POST', body })
    expect(performance.now() - began).toBeGreaterThanOrEqual(249)
    expect(answer.status).toBe(200)
    expect(upstream.seen[0]?.body).toBe(body)
    expect(await countedFlags(gw)).toEqual(['DI'])
    expect(await metric(gw, 'envoy_http_fault_delays_injected')).toBe(1)
    expect(await metric(gw, 'envoy_http_fault_active_faults')).toBe(0)
  })

  test('delay, then abort: both flags', async () => {
    await using upstream = await startUpstream('ok')
    const both = faultOf(`${ABORT('httpStatus: 503')}, ${DELAY('50ms')}`)
    await using gw = await startRules(upstream.port, { both })
    const began = performance.now()
    expect((await wire.ask({ port: gw.port(80), path: '/both' })).status).toBe(503)
    expect(performance.now() - began).toBeGreaterThanOrEqual(49)
    expect(await countedFlags(gw)).toEqual(['DI,FI'])
  })

  test('an abort is no failure of the upstream: it is not retried', async () => {
    await using upstream = await startUpstream('ok')
    const rule = `${faultOf(ABORT('httpStatus: 503'))}, retries: { attempts: 3, retryOn: 5xx }`
    await using gw = await startRules(upstream.port, { r: rule })
    expect((await wire.ask({ port: gw.port(80), path: '/r' })).status).toBe(503)
    expect(upstream.seen).toEqual([])
    expect(await metric(gw, 'envoy_http_fault_aborts_injected')).toBe(1)
  })

  test('the delay is no part of the timeout', async () => {
    await using upstream = await startUpstream('ok')
    const rule = `${faultOf(DELAY('1200ms'))}, timeout: 1s`
    await using gw = await startRules(upstream.port, { t: rule })
    expect((await wire.ask({ port: gw.port(80), path: '/t' })).status).toBe(200)
  })

  test('a timeout after a delay names both, in the order Envoy prints them', async () => {
    await using upstream = await startUpstream(() => undefined)
    const rule = `${faultOf(DELAY('20ms'))}, timeout: 50ms`
    await using gw = await startRules(upstream.port, { t: rule })
    expect((await wire.ask({ port: gw.port(80), path: '/t' })).status).toBe(504)
    expect(await countedFlags(gw)).toEqual(['UT,DI'])
  })

  test('a client that leaves during the delay frees everything at once', async () => {
    await using upstream = await startUpstream('ok')
    await using gw = await startRules(upstream.port, { slow: faultOf(DELAY('1h')) })
    const sent = wire.start({ port: gw.port(80), path: '/slow' })
    const active = () => metric(gw, 'envoy_http_fault_active_faults')
    await waitFor('the delay to begin', async () => (await active()) === 1)
    sent.reset()
    await waitFor('the delay to end', async () => (await active()) === 0)
    expect(gw.gateway.activeExchanges).toBe(0)
    expect(await countedFlags(gw)).toEqual(['DI,DC'])
    expect(upstream.seen).toEqual([])
  })

  test("the fault task: jason's requests end in 500, nobody else's", async () => {
    await using upstream = await startUpstream('stars')
    await using gw = await startGateway({
      'ratings.yaml': RATINGS,
      'service.yaml': service('ratings', upstream.port),
    })
    const ask = (user: string) =>
      wire.ask({
        port: gw.port(80),
        host: 'abort.ratings.test',
        path: '/ratings/0',
        headers: { 'end-user': user },
      })
    expect(await ask('jason')).toMatchObject({
      status: 500,
      body: Buffer.from('fault filter abort'),
    })
    expect(await ask('anna')).toMatchObject({ status: 200, body: Buffer.from('stars') })
  })
})

test("the fault task: jason's requests wait, nobody else's", async () => {
  await using upstream = await startUpstream('stars')
  await using gw = await startGateway({
    'ratings.yaml': RATINGS.replace('fixedDelay: 7s', 'fixedDelay: 1h'),
    'service.yaml': service('ratings', upstream.port),
  })
  const target = { port: gw.port(80), host: 'delay.ratings.test' }
  const jason = WIRES[0]!.start({ ...target, headers: { 'end-user': 'jason' } })
  await waitFor('jason to wait', async () => {
    return (await metric(gw, 'envoy_http_fault_active_faults')) === 1
  })
  const anna = await WIRES[0]!.ask({ ...target, headers: { 'end-user': 'anna' } })
  expect(anna.body.toString()).toBe('stars')
  expect(upstream.seen).toHaveLength(1)
  jason.reset()
})

test('a delayed request keeps its rule while the configuration changes', async () => {
  await using upstream = await startUpstream('ok')
  await using gw = await startRules(upstream.port, { slow: faultOf(DELAY('500ms')) })
  const asked = WIRES[0]!.ask({ port: gw.port(80), path: '/slow' })
  await waitFor('the delay to begin', async () => {
    return (await metric(gw, 'envoy_http_fault_delays_injected')) === 1
  })
  gw.write(
    'config.yaml',
    ACCESS_LOG_MESH +
      service('web', upstream.port) +
      gateway('gw', ['*']) +
      virtualService('v', ['app.test'], ['gw'], '  - { directResponse: { status: 204 } }'),
  )
  await gw.reload()
  expect((await asked).status).toBe(200)
  expect(await metric(gw, 'envoy_http_fault_active_faults')).toBe(0)
  expect((await WIRES[0]!.ask({ port: gw.port(80), path: '/slow' })).status).toBe(204)
})

test('a gateway that closes does not wait for delays', async () => {
  await using upstream = await startUpstream('ok')
  const gw = await startRules(upstream.port, { slow: faultOf(DELAY('1h')) })
  const sent = WIRES[0]!.start({ port: gw.port(80), path: '/slow' })
  await waitFor('the delay to begin', () => gw.gateway.activeExchanges === 1)
  await gw[Symbol.asyncDispose]()
  await waitFor('the delayed request to end', () => gw.gateway.activeExchanges === 0)
  sent.reset()
})

test('the configuration dump shows what a rule injects', async () => {
  await using upstream = await startUpstream('ok')
  const fault = faultOf(`${ABORT('httpStatus: 503')}, ${DELAY('2s')}`)
  await using gw = await startRules(upstream.port, { both: fault })
  const dump = JSON.stringify(await (await fetch(`${gw.admin}/config_dump?resource=routes`)).json())
  expect(dump).toContain('"filters":["fault"]')
  expect(dump).toContain(
    '"filterSettings":[{"delay":{"delayMs":2000,"percent":100},"abort":{"httpStatus":503,"grpcStatus":null,"percent":100}}]',
  )
})

test('a rule of the mesh delays and aborts requests through the egress proxy', async () => {
  await using upstream = await startUpstream('ok')
  const fault = faultOf(`${ABORT('httpStatus: 418')}, ${DELAY('10ms')}`)
  await using gw = await startGateway(
    service('web', upstream.port) +
      virtualService(
        'v',
        ['web.default.svc.cluster.local'],
        ['mesh'],
        `  - { ${fault}, ${DESTINATION} }`,
      ),
    { egressProxy: true },
  )
  const url = 'http://web.default.svc.cluster.local:8080/'
  const answer = await WIRES[0]!.ask({ port: gw.egressPort, path: url, host: new URL(url).host })
  expect(answer.status).toBe(418)
  expect(await countedFlags(gw)).toEqual(['DI,FI'])
  expect(upstream.seen).toEqual([])
})

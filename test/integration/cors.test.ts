import { describe, expect, test } from 'vitest'
import { ACCESS_LOG_MESH, loggedExchanges } from '../support/access-log.ts'
import { type Wire, type WireAnswer, WIRES } from '../support/both-wires.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const ORIGIN = 'https://shop.test'
const PREFLIGHT = { origin: ORIGIN, 'access-control-request-method': 'PUT' }
const POLICY = `corsPolicy: { allowOrigins: [{ exact: ${ORIGIN} }], allowMethods: [GET, PUT], allowHeaders: [x-token], exposeHeaders: [x-total], maxAge: 600s, allowCredentials: true }`
const DESTINATION = 'route: [{ destination: { host: web } }]'

/** Answers like an application with CORS of its own. */
function startApplication(): Promise<Upstream> {
  return startUpstream((request, response) => {
    response.setHeader('access-control-allow-origin', 'https://own.test')
    response.setHeader('access-control-allow-methods', 'DELETE')
    response.setHeader('vary', 'accept-encoding')
    response.end(`${request.method} upstream`)
  })
}

function startRules(upstreamPort: number, rules: string): Promise<TestGateway> {
  return startGateway(
    ACCESS_LOG_MESH +
      service('web', upstreamPort) +
      service('gone', 1, { namespace: 'default' }) +
      gateway('gw', ['*']) +
      virtualService('v', ['app.test'], ['gw'], rules),
  )
}

/** The CORS headers of an answer, and Vary. */
function corsOf({ headers }: WireAnswer): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => /^(access-control-|vary$)/.test(name)),
  )
}

function preflight(wire: Wire, gw: TestGateway, path = '/', headers = {}): Promise<WireAnswer> {
  const question = { port: gw.port(80), path, method: 'OPTIONS' }
  return wire.ask({ ...question, headers: { ...PREFLIGHT, ...headers } })
}

describe.each(WIRES)('$name', (wire) => {
  test('a preflight is answered 200 without the upstream', async () => {
    await using upstream = await startUpstream('never')
    await using gw = await startRules(upstream.port, `  - { ${POLICY}, ${DESTINATION} }`)
    const answer = await preflight(wire, gw, '/p')
    expect(answer.status).toBe(200)
    expect(answer.body).toHaveLength(0)
    expect(answer.headers['content-length']).toBe('0')
    expect(corsOf(answer)).toEqual({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET,PUT',
      'access-control-allow-headers': 'x-token',
      'access-control-max-age': '600',
      vary: 'Origin',
    })
    expect(upstream.seen).toEqual([])
    expect((await loggedExchanges(gw, ['/p'])).get('/p')).toEqual({
      status: '200',
      flags: '-',
      details: 'cors_response',
    })
  })

  test('the answer of an allowed origin has its CORS headers overwritten', async () => {
    await using upstream = await startApplication()
    await using gw = await startRules(upstream.port, `  - { ${POLICY}, ${DESTINATION} }`)
    const answer = await wire.ask({ port: gw.port(80), headers: { origin: ORIGIN } })
    expect(answer.body.toString()).toBe('GET upstream')
    expect(corsOf(answer)).toEqual({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'x-total',
      'access-control-allow-methods': 'DELETE',
      vary: 'accept-encoding, Origin',
    })
  })

  test.each([
    ['a request of another origin', 'GET', { origin: 'https://evil.test' }],
    ['its preflight', 'OPTIONS', { ...PREFLIGHT, origin: 'https://evil.test' }],
    ['a request without origin', 'GET', {}],
  ])('%s is forwarded, and the headers of the upstream stay', async (_name, method, headers) => {
    await using upstream = await startApplication()
    await using gw = await startRules(upstream.port, `  - { ${POLICY}, ${DESTINATION} }`)
    const answer = await wire.ask({ port: gw.port(80), method, headers })
    expect(answer.body.toString()).toBe(`${method} upstream`)
    expect(corsOf(answer)).toEqual({
      'access-control-allow-origin': 'https://own.test',
      'access-control-allow-methods': 'DELETE',
      vary: 'accept-encoding, Origin',
    })
  })

  test('unmatchedPreflights IGNORE answers for origins that are not allowed', async () => {
    await using upstream = await startApplication()
    const policy = `corsPolicy: { allowOrigins: [{ exact: ${ORIGIN} }], unmatchedPreflights: IGNORE }`
    await using gw = await startRules(upstream.port, `  - { ${policy}, ${DESTINATION} }`)
    const answer = await preflight(wire, gw, '/', { origin: 'https://evil.test' })
    expect(answer.status).toBe(200)
    expect(answer.body).toHaveLength(0)
    expect(corsOf(answer)).toEqual({ vary: 'Origin' })
  })

  test('header operations of the rule can neither take the origin away nor forge it', async () => {
    await using upstream = await startApplication()
    const operations =
      'headers: { request: { remove: [origin] }, response: { set: { access-control-allow-origin: "https://set.test" }, add: { x-op: done } } }'
    const rule = `  - { ${POLICY}, ${operations}, ${DESTINATION} }`
    await using gw = await startRules(upstream.port, rule)
    for (const answer of [
      await wire.ask({ port: gw.port(80), headers: { origin: ORIGIN } }),
      await preflight(wire, gw),
    ]) {
      expect(answer.headers['access-control-allow-origin']).toBe(ORIGIN)
      expect(answer.headers['x-op']).toBe('done')
    }
  })

  test('a browser may read the 503 of a cluster that is down', async () => {
    await using upstream = await startApplication()
    const rule = `  - { ${POLICY}, route: [{ destination: { host: gone } }] }`
    await using gw = await startRules(upstream.port, rule)
    const answer = await wire.ask({ port: gw.port(80), headers: { origin: ORIGIN } })
    expect(answer.status).toBe(503)
    expect(corsOf(answer)).toMatchObject({ 'access-control-allow-origin': ORIGIN, vary: 'Origin' })
  })

  test('an injected abort comes before CORS and has none of its headers', async () => {
    await using upstream = await startApplication()
    const fault = 'fault: { abort: { httpStatus: 500, percentage: { value: 100 } } }'
    await using gw = await startRules(upstream.port, `  - { ${POLICY}, ${fault}, ${DESTINATION} }`)
    const answer = await preflight(wire, gw)
    expect(answer.status).toBe(500)
    expect(corsOf(answer)).toEqual({})
  })

  test('where no route, redirect or direct response is taken there is no CORS', async () => {
    await using upstream = await startApplication()
    const rules = `  - { match: [{ uri: { prefix: /moved } }], ${POLICY}, redirect: { uri: /new } }
  - { match: [{ uri: { prefix: /direct } }], ${POLICY}, directResponse: { status: 202 } }
  - { match: [{ uri: { prefix: /post }, method: { exact: POST } }], ${POLICY}, ${DESTINATION} }`
    await using gw = await startRules(upstream.port, rules)
    for (const [path, status] of [
      ['/moved', 301],
      ['/direct', 202],
      ['/post', 404],
      ['/none', 404],
    ] as const) {
      const answer = await preflight(wire, gw, path)
      expect(answer.status, path).toBe(status)
      expect(corsOf(answer), path).toEqual({})
    }
    const unknown = { port: gw.port(80), host: 'other.test', method: 'OPTIONS' }
    const answer = await wire.ask({ ...unknown, headers: PREFLIGHT })
    expect(answer.status).toBe(404)
    expect(corsOf(answer)).toEqual({})
  })
})

test('the configuration dump shows the policy of a rule', async () => {
  await using upstream = await startUpstream('ok')
  await using gw = await startRules(upstream.port, `  - { ${POLICY}, ${DESTINATION} }`)
  const dump = JSON.stringify(await (await fetch(`${gw.admin}/config_dump?resource=routes`)).json())
  expect(dump).toContain('"filters":["cors"]')
  expect(dump).toContain(`"allowOrigins":[{"exact":"${ORIGIN}"}],"allowMethods":"GET,PUT"`)
})

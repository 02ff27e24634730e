import { connect } from 'node:net'
import { expect, test } from 'vitest'
import type { Problem } from '../../src/config/problems.ts'
import { addedCluster, askingApp, descriptorFile } from '../support/asking-app.ts'
import { type Answer, call } from '../support/call.ts'
import { freePort } from '../support/free-port.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { type Answered, startRateLimitService } from '../support/rate-limit-service.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { service } from '../support/yaml.ts'

const ALLOWED: Answered = { code: 1 }
/** Never reached where answers come. */
const PATIENT = 'timeout: 8s'

function ask(
  gw: TestGateway,
  headers: Record<string, string> = { 'x-user': 'ada' },
): Promise<Answer> {
  return call({ port: gw.port(80), host: 'app.test', path: '/', headers })
}

function warnings(gw: TestGateway): readonly Problem[] {
  return gw.gateway.problems.filter(({ severity }) => severity !== 'info')
}

test('a domain without descriptor file is decided by the service that the filter names', async () => {
  await using upstream = await startUpstream('app')
  let left = 2
  await using limiter = await startRateLimitService({
    answer: () => ({ code: left-- > 0 ? 1 : 2 }),
  })
  const yaml = askingApp({
    upstreamPort: upstream.port,
    servicePort: limiter.port,
    settings: [PATIENT],
  })
  await using gw = await startGateway(yaml)
  expect(warnings(gw)).toEqual([])
  expect((await ask(gw)).status).toBe(200)
  expect((await ask(gw)).status).toBe(200)
  const denied = await ask(gw)
  expect(denied).toMatchObject({ status: 429, body: '' })
  expect(denied.headers['x-envoy-ratelimited']).toBe('true')
  expect(upstream.seen).toHaveLength(2)
  expect(limiter.asked[0]).toEqual({
    domain: 'edge',
    descriptors: [{ entries: [['user', 'ada']] }],
  })
  expect(limiter.deadlines[0]).toBeGreaterThan(7000)
  expect(limiter.hosts).toContain('ratelimit.default.svc.cluster.local')
  // Without a descriptor nobody is asked.
  expect((await ask(gw, {})).status).toBe(200)
  expect(limiter.asked).toHaveLength(3)
})

test('hits, stages and several descriptors go out as configured, bytes that are no text as text', async () => {
  await using upstream = await startUpstream('app')
  await using limiter = await startRateLimitService({ answer: () => ALLOWED })
  const user = '{ request_headers: { header_name: x-user, descriptor_key: user } }'
  const yaml = askingApp({
    upstreamPort: upstream.port,
    servicePort: limiter.port,
    settings: [PATIENT, 'stage: 2'],
    rateLimits:
      `[{ stage: 2, actions: [${user}, { remote_address: {} }], hits_addend: { number: 3 } },` +
      ` { actions: [${user}] }, { stage: 2, actions: [${user}], hits_addend: { number: 0 } },` +
      ' { stage: 2, actions: [{ generic_key: { descriptor_value: "über" } }] }]',
  })
  await using gw = await startGateway(yaml)
  await ask(gw, { 'x-user': 'a\xe9' })
  expect(limiter.asked).toEqual([
    {
      domain: 'edge',
      descriptors: [
        {
          entries: [
            ['user', 'aé'],
            ['remote_address', '127.0.0.1'],
          ],
          hitsAddend: 3,
        },
        { entries: [['user', 'aé']], hitsAddend: 0 },
        { entries: [['generic_key', 'über']] },
      ],
    },
  ])
})

test('headers, body and content type of the service are used', async () => {
  await using upstream = await startUpstream('app')
  let code = 1
  await using limiter = await startRateLimitService({
    answer: () => ({
      code,
      requestHeaders: [
        ['x-tier', 'gold'],
        ['Transfer-Encoding', 'chunked'],
        ['x-bad\n', 'y'],
      ],
      responseHeaders: [
        ['x-quota', 'low'],
        ['content-length', '3'],
        ['Content-Type', 'text/html'],
      ],
      body: '<p>später</p>',
      statuses: [
        { code: 1, limit: { requestsPerUnit: 100, unit: 3 }, remaining: 40, resetSeconds: 900 },
        {
          code,
          limit: { requestsPerUnit: 5, unit: 2, name: 'short' },
          remaining: 2,
          resetSeconds: 30,
        },
        { code: 1 },
      ],
    }),
  })
  const settings = [PATIENT, 'enable_x_ratelimit_headers: DRAFT_VERSION_03']
  const yaml = askingApp({ upstreamPort: upstream.port, servicePort: limiter.port, settings })
  await using gw = await startGateway(yaml)
  const limits = {
    'x-quota': 'low',
    'x-ratelimit-limit': '5, 100;w=3600, 5;w=60;name="short"',
    'x-ratelimit-remaining': '2',
    'x-ratelimit-reset': '30',
  }
  const allowed = await ask(gw)
  expect(allowed).toMatchObject({ status: 200, body: 'app', headers: limits })
  expect(upstream.seen[0]?.headers).toMatchObject({ 'x-tier': 'gold' })
  expect(upstream.seen[0]?.headers).not.toHaveProperty('transfer-encoding')
  code = 2
  const denied = await ask(gw)
  expect(denied).toMatchObject({ status: 429, headers: limits })
  expect(Buffer.from(denied.body, 'latin1').toString()).toBe('<p>später</p>')
  expect(denied.headers['content-type']).toBe('text/html')
  expect(denied.headers['retry-after']).toBe('30')
})

test('an error, an answer that is none, a code nobody knows: only OVER_LIMIT denies', async () => {
  await using upstream = await startUpstream('app')
  let answer: Answered | { grpcCode: number } | Buffer = { code: 0 }
  await using limiter = await startRateLimitService({ answer: () => answer })
  const plain = askingApp({
    upstreamPort: upstream.port,
    servicePort: limiter.port,
    settings: [PATIENT],
  })
  await using gw = await startGateway(plain)
  expect((await ask(gw)).status).toBe(200)
  answer = { grpcCode: 2 }
  expect((await ask(gw)).status).toBe(200)
  answer = Buffer.from([0x0a, 0xff])
  expect((await ask(gw)).status).toBe(200)
  const settings = [PATIENT, 'failure_mode_deny: true', 'status_on_error: { code: 503 }']
  gw.write(
    'config.yaml',
    askingApp({ upstreamPort: upstream.port, servicePort: limiter.port, settings }),
  )
  await gw.reload()
  expect((await ask(gw)).status).toBe(503)
  answer = { grpcCode: 13 }
  expect(await ask(gw)).toMatchObject({ status: 503, body: '' })
  await gw.gateway.close()
  expect(gw.accessLog()).toContain('RLSE')
})

test('a service that says nothing costs a request its timeout, then it is not asked any more', async () => {
  await using upstream = await startUpstream('app')
  let silent = true
  await using limiter = await startRateLimitService({
    answer: () => (silent ? 'silence' : { code: 2 }),
  })
  const yaml = askingApp({ upstreamPort: upstream.port, servicePort: limiter.port })
  await using gw = await startGateway(yaml)
  await waitFor('the first question', async () => {
    await ask(gw)
    return limiter.asked.length > 0
  })
  // 20 ms, and some more for the service to notice.
  expect(limiter.deadlines[0]).toBeLessThan(200)
  await waitFor('the call to be given up', () => limiter.cancelled > 0)
  await waitFor('a request that is let through unasked', async () => {
    const before = limiter.asked.length
    expect((await ask(gw)).status).toBe(200)
    return limiter.asked.length === before
  })
  silent = false
  await waitFor('the service to be asked again', async () => (await ask(gw)).status === 429)
})

test('a service that is not there is decided without; when it comes it is asked', async () => {
  await using upstream = await startUpstream('app')
  const port = await freePort()
  const settings = ['timeout: 1s', 'failure_mode_deny: true']
  const yaml = askingApp({ upstreamPort: upstream.port, servicePort: port, settings })
  await using gw = await startGateway(yaml)
  for (let i = 0; i < 8; i++) expect((await ask(gw)).status).toBe(500)
  const answer = (): Answered => ALLOWED
  {
    await using _service = await startRateLimitService({ port, answer })
    await waitFor('the service', async () => (await ask(gw)).status === 200)
  }
  await waitFor('the loss', async () => (await ask(gw)).status === 500)
  await using _again = await startRateLimitService({ port, answer })
  await waitFor('the return', async () => (await ask(gw)).status === 200)
})

test('a client that leaves takes its question along', async () => {
  await using upstream = await startUpstream('app')
  await using limiter = await startRateLimitService({ answer: () => 'silence' })
  const yaml = askingApp({
    upstreamPort: upstream.port,
    servicePort: limiter.port,
    settings: [PATIENT],
  })
  await using gw = await startGateway(yaml)
  const client = connect(gw.port(80), '127.0.0.1')
  client.on('error', () => undefined)
  client.write('GET / HTTP/1.1\r\nhost: app.test\r\nx-user: ada\r\n\r\n')
  await waitFor('the question', () => limiter.asked.length > 0)
  client.resetAndDestroy()
  await waitFor('the call to be given up', () => limiter.cancelled > 0)
  expect(upstream.seen).toHaveLength(0)
})

test('all addresses of a cluster that the EnvoyFilter adds are asked in turn', async () => {
  await using upstream = await startUpstream('app')
  await using one = await startRateLimitService({ answer: () => ALLOWED })
  await using two = await startRateLimitService({ answer: () => ALLOWED })
  const yaml = askingApp({
    upstreamPort: upstream.port,
    servicePort: null,
    cluster: 'rate_limit_cluster',
    settings: [PATIENT],
    patches: addedCluster('rate_limit_cluster', [
      ['127.0.0.1', one.port],
      ['127.0.0.1', two.port],
    ]),
  })
  await using gw = await startGateway(yaml)
  expect(warnings(gw)).toEqual([])
  await waitFor('both to be asked', async () => {
    expect((await ask(gw)).status).toBe(200)
    return one.asked.length > 0 && two.asked.length > 0
  })
  const before = [one.asked.length, two.asked.length] as const
  for (let i = 0; i < 10; i++) await ask(gw)
  expect(one.asked.length - before[0]).toBe(5)
  expect(two.asked.length - before[1]).toBe(5)
})

const FILE_OF_THREE = descriptorFile(3)

test.for<{ name: string; mode: 'auto' | 'embedded' | 'external'; file: boolean; asked: boolean }>([
  { name: 'auto with a file counts here', mode: 'auto', file: true, asked: false },
  { name: 'auto without a file asks', mode: 'auto', file: false, asked: true },
  { name: 'embedded never asks', mode: 'embedded', file: false, asked: false },
  { name: 'external asks in spite of a file', mode: 'external', file: true, asked: true },
])('$name', async ({ mode, file, asked }) => {
  await using upstream = await startUpstream('app')
  await using limiter = await startRateLimitService({ answer: () => ALLOWED })
  const yaml = askingApp({
    upstreamPort: upstream.port,
    servicePort: limiter.port,
    settings: [PATIENT],
  })
  await using gw = await startGateway(file ? FILE_OF_THREE + yaml : yaml, { rateLimitMode: mode })
  const statuses: number[] = []
  for (let i = 0; i < 4; i++) statuses.push((await ask(gw)).status)
  expect(limiter.asked).toHaveLength(asked ? 4 : 0)
  expect(statuses).toEqual([200, 200, 200, file && !asked ? 429 : 200])
  const codes = warnings(gw).map(({ code }) => code)
  expect(codes).toEqual(mode === 'embedded' ? ['rate-limit-domain-unknown'] : [])
})

const RATE_LIMIT_SERVICE = service('ratelimit', 8081, { port: 8081, portName: 'grpc' })

interface Unusable {
  readonly name: string
  readonly yaml?: string
  readonly cluster?: string
  readonly patches?: string
  readonly reason: RegExp
}

test.for<Unusable>([
  { name: 'a Service that does not exist', reason: /no Service or ServiceEntry has the host/ },
  { name: 'a cluster nobody adds', cluster: 'limiter', reason: /no cluster "limiter"/ },
  {
    name: 'a port the Service lacks',
    cluster: 'outbound|9999||app.default.svc.cluster.local',
    reason: /has no port 9999, but 8080/,
  },
  {
    name: 'a subset nobody defines',
    cluster: 'outbound|8080|v2|app.default.svc.cluster.local',
    reason: /has no subset v2/,
  },
  {
    name: 'a DestinationRule that asks for TLS',
    yaml: `${RATE_LIMIT_SERVICE}apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: limiter }
spec: { host: ratelimit, trafficPolicy: { tls: { mode: ISTIO_MUTUAL } } }
---
`,
    reason: /asks for TLS/,
  },
  {
    name: 'a cluster with TLS',
    cluster: 'limiter',
    patches: `${addedCluster('limiter', [['127.0.0.1', 8081]])}        transport_socket: { name: tls }\n`,
    reason: /transport_socket/,
  },
  {
    name: 'a cluster without endpoints',
    cluster: 'limiter',
    patches: addedCluster('limiter', []),
    reason: /has no endpoints/,
  },
  {
    name: 'a cluster with a port that is none',
    cluster: 'limiter',
    patches: addedCluster('limiter', [['127.0.0.1', 70_000]]),
    reason: /endpoint on port 70000/,
  },
])('a service that cannot be asked is a finding: $name', async ({ yaml = '', reason, ...app }) => {
  await using upstream = await startUpstream('app')
  await using gw = await startGateway(
    yaml + askingApp({ upstreamPort: upstream.port, servicePort: null, ...app }),
  )
  const found = warnings(gw).filter(({ code }) => code === 'rate-limit-service-unknown')
  expect(found).toHaveLength(1)
  expect(found[0]?.message).toMatch(reason)
  expect(found[0]?.line).toBeGreaterThan(0)
  expect((await ask(gw)).status).toBe(200)
})

test('external mode counts here where the service is not known and a file is there', async () => {
  await using upstream = await startUpstream('app')
  const yaml = descriptorFile(1) + askingApp({ upstreamPort: upstream.port, servicePort: null })
  await using gw = await startGateway(yaml, { rateLimitMode: 'external' })
  expect(warnings(gw)).toMatchObject([
    {
      code: 'rate-limit-service-unknown',
      message: expect.stringContaining('counted here') as string,
    },
  ])
  expect((await ask(gw)).status).toBe(200)
  expect((await ask(gw)).status).toBe(429)
})

test('a name is looked up, in a cluster and as a google_grpc target', async () => {
  await using upstream = await startUpstream('app')
  await using limiter = await startRateLimitService({ answer: () => ({ code: 2 }) })
  const yaml = askingApp({
    upstreamPort: upstream.port,
    servicePort: null,
    cluster: 'limiter',
    settings: [PATIENT],
    patches: addedCluster('limiter', [['localhost', limiter.port]]),
  })
  await using gw = await startGateway(yaml)
  expect((await ask(gw)).status).toBe(429)
  const envoy = 'envoy_grpc: { cluster_name: "limiter" }'
  const google = `google_grpc: { target_uri: "localhost:${limiter.port}", stat_prefix: x }`
  gw.write('config.yaml', yaml.replace(envoy, google))
  await gw.reload()
  expect((await ask(gw)).status).toBe(429)
  expect(limiter.asked).toHaveLength(2)
})

test('one gateway asks another, which counts for both kinds of callers', async () => {
  await using upstream = await startUpstream('app')
  await using b = await startGateway(descriptorFile(3), {
    rateLimitServer: { listen: { host: '127.0.0.1', port: 0 }, responseHeaders: true },
  })
  const port = Number(b.gateway.rateLimitServerAddress!.split(':').at(-1))
  const settings = [PATIENT, 'enable_x_ratelimit_headers: DRAFT_VERSION_03']
  const yaml = askingApp({ upstreamPort: upstream.port, servicePort: port, settings })
  await using a = await startGateway(yaml)
  const first = await ask(a)
  expect(first).toMatchObject({
    status: 200,
    headers: {
      'x-ratelimit-limit': '3, 3;w=31536000;name="per-user"',
      'x-ratelimit-remaining': '2',
      'ratelimit-remaining': '2',
    },
  })
  const json = await fetch(`http://127.0.0.1:${port}/json`, {
    method: 'POST',
    body: '{"domain":"edge","descriptors":[{"entries":[{"key":"user","value":"ada"}]}]}',
  })
  expect(json.status).toBe(200)
  expect((await ask(a)).status).toBe(200)
  const denied = await ask(a)
  expect(denied.status).toBe(429)
  expect(Number(denied.headers['retry-after'])).toBeGreaterThan(0)
  expect((await ask(a, { 'x-user': 'bob' })).status).toBe(200)
  const metrics = await (await fetch(`${a.admin}/stats/prometheus`)).text()
  expect(metrics).toMatch(
    /tidegate_rate_limit_requests_total\{[^}]*rule="external"[^}]*result="limited"[^}]*\} 1/,
  )
})

import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { clusterPlanOf } from '../../test/support/exchange-records.ts'
import { retryOn } from '../../test/support/proxy-bench.ts'
import { SecretText } from '../base/secret-text.ts'
import { ClusterPlan } from '../clusters/plan.ts'
import { Findings } from '../compile/findings.ts'
import { meshSettings } from '../compile/mesh-settings.ts'
import type { Problem } from '../config/problems.ts'
import { compileHeaders } from '../routing/header-mutation.ts'
import { HostTable } from '../routing/host-table.ts'
import { PathRewrite } from '../routing/path-rewrite.ts'
import { RedirectPlan } from '../routing/redirect.ts'
import { Destination, Route, type RouteAction } from '../routing/route.ts'
import { compileRouteMatch } from '../routing/route-match.ts'
import { VirtualHost } from '../routing/virtual-host.ts'
import { type HttpServerPlan, TlsChainPlan } from '../snapshot/listener-plan.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { Metrics } from '../telemetry/metrics.ts'
import type { AdminState, LifecycleState } from './admin-state.ts'
import { startAdminServer } from './admin-server.ts'
import type { RunningServer } from './http-server.ts'
import { startStatusServer } from './status-server.ts'

const PROBLEM: Problem = {
  code: 'unknown-field',
  severity: 'warning',
  ref: { kind: 'VirtualService', namespace: 'shop', name: 'web' },
  path: ['spec', 'http', 0, 'timout'],
  message: '<script>alert(1)</script>',
  hint: 'did you mean timeout?',
  file: 'web.yaml',
  line: 7,
  column: null,
}

const KEY = 'PRIVATE-KEY-TEXT'

/** Everything that can hold a secret holds one. */
function snapshotOf(): Snapshot {
  const web = clusterPlanOf('web.shop.svc.cluster.local')
  const secured = new ClusterPlan({
    ...web,
    name: 'outbound|443||bank.test',
    tls: {
      serverName: 'bank.test',
      subjectAltNames: ['bank.test'],
      ca: 'CA-PEM-TEXT',
      caFile: null,
      client: {
        kind: 'pem',
        name: 'kubernetes://istio-system/bank-client',
        certificate: 'CLIENT-PEM-TEXT',
        key: new SecretText(KEY),
      },
      insecureSkipVerify: false,
    },
  })
  const origin = {
    kind: 'VirtualService',
    namespace: 'shop',
    name: 'web',
    path: 'spec.http[0]',
    file: 'web.yaml',
    line: 3,
  }
  const route = (name: string, action: RouteAction): Route =>
    new Route({
      name,
      origin,
      match: compileRouteMatch({
        uri: { prefix: '/api' },
        headers: { 'x-api-key': { exact: 'HEADER-SECRET' }, 'x-tier': { exact: 'gold' } },
      }).match,
      action,
      requestHeaders: compileHeaders([{ set: { authorization: 'SET-SECRET' } }], 'request')
        .mutation,
      responseHeaders: null,
      filters: [],
    })
  const forward: RouteAction = {
    type: 'forward',
    destinations: [
      new Destination(web.name, web, 1, null, null),
      new Destination('outbound|80||gone.shop.svc.cluster.local', null, 3, null, null),
    ],
    cumulativeWeights: [1, 4],
    sticky: null,
    preferences: null,
    rewrite: PathRewrite.literal('/v2'),
    rewriteAuthority: null,
    timeoutMs: 5000,
    retry: retryOn('reset', { statuses: new Set([503]) }),
    mirrors: null,
  }
  const redirect: RouteAction = {
    type: 'redirect',
    redirect: new RedirectPlan({
      status: 308,
      uri: '/moved',
      prefixRewrite: null,
      authority: null,
      port: null,
      derivePort: null,
      scheme: null,
    }),
  }
  const direct: RouteAction = {
    type: 'direct-response',
    status: 200,
    body: Buffer.from('BODY-SECRET'),
  }
  const virtualHost = new VirtualHost(
    'shop.test:80',
    [route('api', forward), route('old', redirect), route('direct', direct)],
    false,
  )
  const http: HttpServerPlan = {
    name: 'http.80',
    hosts: new HostTable([
      ['shop.test', virtualHost],
      ['*.shop.test', virtualHost],
    ]),
    gateways: ['istio-system/public'],
    authenticator: null,
  }
  const chain = new TlsChainPlan({
    name: 'https.443.https.public.istio-system',
    gateway: 'istio-system/public',
    hosts: ['shop.test'],
    tls: {
      certificates: [
        {
          kind: 'pem',
          name: 'kubernetes://istio-system/shop',
          certificate: 'SERVER-PEM',
          key: new SecretText(KEY),
        },
      ],
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: null,
      alpn: ['h2', 'http/1.1'],
    },
    http: { ...http, name: 'https.443.https.public.istio-system' },
  })
  return {
    generation: 7,
    listeners: [
      {
        key: '*:8080',
        gatewayPorts: [80],
        targetPort: 8080,
        bind: null,
        accept: { type: 'http', http, grpcWeb: false },
      },
      {
        key: '*:8443',
        gatewayPorts: [443],
        targetPort: 8443,
        bind: null,
        accept: {
          type: 'tls',
          chains: { bySni: new HostTable([['shop.test', chain]]), all: [chain] },
        },
      },
      {
        key: '*:9000',
        gatewayPorts: [9000],
        targetPort: 9000,
        bind: null,
        accept: {
          type: 'tcp',
          tcp: {
            name: 'tcp.9000',
            destinations: [
              { clusterName: web.name, cluster: web },
              { clusterName: 'outbound|1||none', cluster: null },
            ],
            cumulativeWeights: [2, 5],
          },
        },
      },
    ],
    egress: {
      policy: 'REGISTRY_ONLY',
      http: new Map([[80, http.hosts]]),
      tunnels: new Map([[443, new HostTable([['bank.test', secured]])]]),
      tunnelRules: new Map(),
      addresses: [],
      serverNames: new Map(),
      parent: null,
      unknownHost: new VirtualHost('block_all', [], false),
      control: null,
    },
    clusters: [web, secured],
    mesh: meshSettings(null, false, new Findings()),
  }
}

/** A process as the admin API sees it; `calls` records what was asked of it. */
class Gateway implements AdminState {
  readonly calls: string[] = []
  readonly metrics = new Metrics({
    source: {},
    version: '0.1.0',
    startedAtMs: Date.now(),
    clusterStats: null,
    droppedLogLines: null,
  })
  state: LifecycleState = 'LIVE'
  current: Snapshot | null = snapshotOf()
  level = 'info'
  reloads = true

  lifecycle = () => this.state
  snapshot = () => this.current
  problems = () => [PROBLEM]
  boundListeners = () => [
    { name: '*:8080', type: 'http' as const, addresses: ['127.0.0.1:41234'], gatewayPorts: [80] },
  ]
  clusters = () => [
    {
      name: 'outbound|80||web.shop.svc.cluster.local',
      protocol: 'http1' as const,
      discovery: 'static' as const,
      policy: 'least-request',
      retired: false,
      panic: false,
      dnsFailures: [],
      tlsProblem: '',
      endpoints: [
        {
          address: '10.0.0.9:8080',
          weight: 1,
          labels: {},
          locality: '',
          health: 'ejected' as const,
          returnsInMs: 100,
          ejections: 1,
          consecutive5xx: 5,
          consecutiveGatewayErrors: 5,
          consecutiveLocalOriginFailures: 0,
          activeRequests: 2,
          activeConnections: 3,
          lastConnectFailure: '',
          healthCheck: null,
          healthCheckFailure: '',
          counters: { rq_total: 9 },
        },
      ],
      counters: { rq_total: 9 },
    },
  ]
  certificates = () => []
  failedHandshakes = () => []
  serverInfo = () => ({
    version: '0.1.0',
    nodeVersion: process.versions.node,
    pid: process.pid,
    startedAt: '2026-11-21T08:00:00.000Z',
    uptimeSeconds: 1,
    options: { namespace: 'istio-system' },
  })
  explain = () => null
  served = () => null
  lastLoad = () => null
  fixedLimits = () => [{ name: 'client-hello-bytes', value: 16_384, meaning: 'A ClientHello.' }]
  logLevel = () => this.level
  setLogLevel = (level: string) => {
    if (level !== 'debug') return false
    this.level = level
    return true
  }
  reload = async () => {
    this.calls.push('reload')
    return { ok: this.reloads, changed: false, generation: 7 }
  }
  drain = (graceful: boolean) => void this.calls.push(`drain ${graceful}`)
  failHealthcheck = (failed: boolean) => void this.calls.push(`healthcheck ${failed}`)
  quit = () => void this.calls.push('quit')
}

let gateway: Gateway
let server: RunningServer
beforeEach(async () => {
  gateway = new Gateway()
  server = await startAdminServer({ host: '127.0.0.1', port: 0, state: gateway })
})
afterEach(() => server.close())

const url = (path: string): string => `http://127.0.0.1:${server.port}${path}`
const get = (path: string): Promise<Response> => fetch(url(path))
const post = (path: string): Promise<Response> => fetch(url(path), { method: 'POST' })
const body = async (path: string): Promise<string> => (await get(path)).text()
const json = async (path: string): Promise<unknown> => (await get(path)).json()

/** Status line of a request written by hand: fetch does not let Host be chosen. */
async function rawStatus(request: string): Promise<string> {
  const socket = connect(server.port, '127.0.0.1')
  socket.end(request)
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text.slice(0, text.indexOf('\r\n'))
}

describe('reading', () => {
  test('/ready follows the life of the process', async () => {
    expect((await get('/ready')).status).toBe(200)
    gateway.state = 'DRAINING'
    const response = await get('/ready')
    expect(response.status).toBe(503)
    expect(await response.text()).toBe('DRAINING\n')
  })

  test('/listeners gives text, and JSON when asked', async () => {
    expect(await body('/listeners')).toBe('*:8080::127.0.0.1:41234\n')
    expect(await json('/listeners?format=json')).toEqual({
      listeners: [
        { name: '*:8080', type: 'http', addresses: ['127.0.0.1:41234'], gatewayPorts: [80] },
      ],
    })
  })

  test('/clusters gives Envoy’s lines, and JSON when asked', async () => {
    const lines = (await body('/clusters')).split('\n')
    const name = 'outbound|80||web.shop.svc.cluster.local'
    expect(lines).toContain(`${name}::rq_total::9`)
    expect(lines).toContain(`${name}::10.0.0.9:8080::health_flags::/failed_outlier_check`)
    expect(await json('/clusters?format=json')).toEqual({ clusters: gateway.clusters() })
  })

  test('/server_info tells version, options, state and log level', async () => {
    expect(await json('/server_info')).toEqual({
      ...gateway.serverInfo(),
      generation: 7,
      lastLoad: null,
      state: 'LIVE',
      logLevel: 'info',
    })
  })

  test('/resources knows kinds, and no Secrets', async () => {
    expect(await json('/resources')).toEqual({ generation: 7, resources: [] })
    expect((await get('/resources?kind=VirtualService')).status).toBe(200)
    expect((await get('/resources?kind=Secret')).status).toBe(400)
    expect((await get('/resources?kind=__proto__')).status).toBe(400)
  })

  test('/problems counts and lists findings', async () => {
    expect(await json('/problems')).toEqual({
      counts: { error: 0, warning: 1, info: 0 },
      problems: [
        {
          code: 'unknown-field',
          severity: 'warning',
          kind: 'VirtualService',
          namespace: 'shop',
          name: 'web',
          path: 'spec.http[0].timout',
          message: PROBLEM.message,
          hint: 'did you mean timeout?',
          file: 'web.yaml',
          line: 7,
          column: null,
        },
      ],
    })
  })

  test('/stats filters, /stats/prometheus does not', async () => {
    expect(await body('/stats?filter=config_gen')).toBe('tidegate_config_generation 0\n')
    const response = await get('/stats/prometheus')
    expect(response.headers.get('content-type')).toContain('version=0.0.4')
    expect(await response.text()).toContain('# TYPE istio_requests_total counter')
  })

  test('the page escapes what configuration wrote and allows no script', async () => {
    const response = await get('/')
    const page = await response.text()
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt; (did you mean timeout?)')
    expect(page).not.toContain('<script>')
    expect(page).toContain('127.0.0.1:41234')
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
  })

  test('before the first snapshot everything still answers', async () => {
    gateway.current = null
    expect(await json('/config_dump')).toEqual({ generation: 0 })
    expect(await body('/')).toContain('none yet')
  })

  test('answers are neither cached nor sniffed', async () => {
    for (const path of ['/', '/ready', '/none']) {
      const { headers } = await get(path)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('cache-control')).toBe('no-store')
    }
  })
})

describe('/config_dump', () => {
  test('shows how requests are routed and where that was written', async () => {
    expect(await json('/config_dump?resource=routes')).toMatchObject({
      generation: 7,
      routes: [
        {
          name: 'http.80',
          gateways: ['istio-system/public'],
          virtualHosts: [
            {
              name: 'shop.test:80',
              domains: ['shop.test', '*.shop.test'],
              httpsRedirect: false,
              routes: [
                {
                  name: 'api',
                  origin: { name: 'web', file: 'web.yaml', line: 3 },
                  match: { uri: { prefix: '/api' } },
                  action: {
                    type: 'forward',
                    destinations: [
                      {
                        cluster: 'outbound|80||web.shop.svc.cluster.local',
                        found: true,
                        weight: 1,
                      },
                      { found: false, weight: 3 },
                    ],
                    rewrite: { path: '/v2' },
                    retry: { attempts: 2, on: ['reset'], statuses: [503] },
                  },
                },
                { name: 'old', action: { type: 'redirect', status: 308, uri: '/moved' } },
                { name: 'direct', action: { type: 'direct-response', bodyLength: 11 } },
              ],
            },
          ],
        },
        { name: 'https.443.https.public.istio-system' },
      ],
    })
  })

  test('shows listeners with their chains and weights', async () => {
    expect(await json('/config_dump?resource=listeners')).toMatchObject({
      listeners: [
        { name: '*:8080', type: 'http', routeTable: 'http.80' },
        {
          name: '*:8443',
          type: 'tls',
          chains: [{ certificates: [{ kind: 'pem', name: 'kubernetes://istio-system/shop' }] }],
        },
        { name: '*:9000', tcp: { destinations: [{ weight: 2 }, { weight: 3, found: false }] } },
      ],
    })
  })

  test('never shows keys, certificates or values that may be credentials', async () => {
    const dump = await body('/config_dump')
    for (const secret of [KEY, 'PEM', 'HEADER-SECRET', 'SET-SECRET', 'BODY-SECRET']) {
      expect(dump).not.toContain(secret)
    }
    expect(dump).toContain('"set":["authorization"]')
    expect(dump).toContain('{"name":"x-api-key","match":{"exact":"[redacted]"}}')
    expect(dump).toContain('{"name":"x-tier","match":{"exact":"gold"}}')
    expect(dump).toContain('kubernetes://istio-system/bank-client')
  })

  test('holds all parts, one part, or says which there are', async () => {
    expect(Object.keys((await json('/config_dump')) as object)).toEqual([
      'generation',
      'listeners',
      'routes',
      'clusters',
      'egress',
      'mesh',
      'limits',
      'fixedLimits',
    ])
    expect((await get('/config_dump?resource=__proto__')).status).toBe(400)
    expect((await get('/config_dump?resource=toString')).status).toBe(400)
  })
})

describe('acting', () => {
  test.each([
    { path: '/reload', call: 'reload' },
    { path: '/drain_listeners', call: 'drain false' },
    { path: '/drain_listeners?graceful', call: 'drain true' },
    { path: '/healthcheck/fail', call: 'healthcheck true' },
    { path: '/healthcheck/ok', call: 'healthcheck false' },
  ])('POST $path does it, GET is refused', async ({ path, call }) => {
    const refused = await get(path)
    expect(refused.status).toBe(405)
    expect(refused.headers.get('allow')).toBe('POST')
    expect(gateway.calls).toEqual([])
    expect((await post(path)).status).toBe(200)
    expect(gateway.calls).toEqual([call])
  })

  test('POST /quitquitquit answers first', async () => {
    expect((await get('/quitquitquit')).status).toBe(405)
    const response = await post('/quitquitquit')
    expect(await response.text()).toBe('OK\n')
    await expect.poll(() => gateway.calls).toEqual(['quit'])
  })

  test('POST /logging changes the level, or says why not', async () => {
    expect(await (await post('/logging?level=debug')).json()).toEqual({ level: 'debug' })
    expect((await post('/logging?level=loud')).status).toBe(400)
    expect((await post('/logging')).status).toBe(400)
    expect((await get('/logging?level=debug')).status).toBe(405)
  })

  test('a reload that failed is a server error', async () => {
    gateway.reloads = false
    const response = await post('/reload')
    expect(response.status).toBe(500)
    expect(await response.json()).toEqual({ ok: false, changed: false, generation: 7 })
  })

  test('a body of any type is ignored, a large one refused', async () => {
    const send = (type: string, text: string): Promise<Response> =>
      fetch(url('/reload'), { method: 'POST', headers: { 'content-type': type }, body: text })
    expect((await send('application/x-www-form-urlencoded', 'a=b')).status).toBe(200)
    expect((await send('application/json', '{broken')).status).toBe(200)
    expect((await send('text/plain', 'x'.repeat(5000))).status).toBe(413)
  })

  test('other methods and paths are refused', async () => {
    expect((await fetch(url('/ready'), { method: 'DELETE' })).status).toBe(405)
    expect((await post('/ready')).status).toBe(405)
    expect((await get('/nothing')).status).toBe(404)
  })
})

describe('foreign web pages', () => {
  test.each([
    ['Host: evil.test', 'GET /config_dump'],
    ['Host: 127.0.0.1\r\nOrigin: http://evil.test', 'GET /config_dump'],
    ['Host: evil.test\r\nOrigin: http://evil.test', 'POST /quitquitquit'],
    ['Host: 127.0.0.1\r\nOrigin: null', 'POST /quitquitquit'],
    ['Host: evil.test', 'GET /nothing'],
  ])('%s may not %s', async (headers, request) => {
    const status = await rawStatus(`${request} HTTP/1.1\r\n${headers}\r\nConnection: close\r\n\r\n`)
    expect(status).toBe('HTTP/1.1 403 Forbidden')
    expect(gateway.calls).toEqual([])
  })

  test('localhost by name may', async () => {
    const request = 'GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
    expect(await rawStatus(request)).toBe('HTTP/1.1 200 OK')
  })
})

test('an address that is taken rejects', async () => {
  const again = startAdminServer({ host: '127.0.0.1', port: server.port, state: gateway })
  await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' })
})

test('the status server serves readiness and metrics, and nothing else', async () => {
  await using status = Object.assign(
    await startStatusServer({ host: null, port: 0, state: gateway }),
    { [Symbol.asyncDispose]: async (): Promise<void> => status.close() },
  )
  const ask = (path: string, method = 'GET'): Promise<Response> =>
    fetch(`http://127.0.0.1:${status.port}${path}`, { method })
  expect((await ask('/healthz/ready')).status).toBe(200)
  gateway.state = 'PRE_INITIALIZING'
  expect((await ask('/healthz/ready')).status).toBe(503)
  expect(await (await ask('/stats/prometheus')).text()).toContain('tidegate_build_info')
  for (const path of ['/', '/config_dump', '/ready', '/quitquitquit']) {
    expect((await ask(path)).status).toBe(404)
    expect((await ask(path, 'POST')).status).toBe(404)
  }
  expect((await ask('/healthz/ready', 'POST')).status).toBe(405)
})

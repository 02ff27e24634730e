import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { call } from '../support/call.ts'
import { runCommand, serve } from '../support/command.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

let upstream: Upstream
let gw: TestGateway

function secretOf(authority: Authority): string {
  const leaf = authority.issue(['tls.test'])
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'tls-cert', namespace: 'istio-system' },
    type: 'kubernetes.io/tls',
    data: {
      'tls.crt': Buffer.from(leaf.certificate).toString('base64'),
      'tls.key': Buffer.from(leaf.key).toString('base64'),
    },
  })
}

const SECURE = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: secure }
spec:
  servers:
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: [tls.test]
    tls: { mode: SIMPLE, credentialName: tls-cert }
---
`
const ROUTE = '  - route: [{ destination: { host: app } }]'

beforeAll(async () => {
  upstream = await startUpstream('app')
  const files = {
    'app.yaml':
      service('app', upstream.port) +
      gateway('gw', ['app.test']) +
      virtualService('app', ['app.test'], ['gw'], ROUTE) +
      SECURE,
    'secret.yaml': secretOf(Authority.create('test')),
    'broken.yaml': virtualService('broken', ['b.test'], ['gw'], ROUTE).replace('hosts:', 'hots:'),
  }
  gw = await startGateway(files, { ports: [80, 443], egressProxy: true })
  await call({ port: gw.port(80), host: 'app.test' })
})
afterAll(async () => {
  await gw[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

const get = (path: string): Promise<Response> => fetch(gw.admin + path)
const text = async (path: string): Promise<string> => (await get(path)).text()
const json = async (path: string): Promise<unknown> => (await get(path)).json()
const post = (path: string): Promise<Response> => fetch(gw.admin + path, { method: 'POST' })

describe('reading', () => {
  test('/listeners tells where each is bound', async () => {
    const lines = (await text('/listeners')).trimEnd().split('\n')
    expect(lines).toEqual([
      `*:80::127.0.0.1:${gw.port(80)}`,
      `*:443::127.0.0.1:${gw.port(443)}`,
      `egress::127.0.0.1:${gw.egressPort}`,
    ])
    expect(await json('/listeners?format=json')).toMatchObject({
      listeners: [
        { name: '*:80', type: 'http', addresses: [`127.0.0.1:${gw.port(80)}`], gatewayPorts: [80] },
        { name: '*:443', type: 'tls', gatewayPorts: [443] },
        { name: 'egress', type: 'egress', gatewayPorts: [] },
      ],
    })
  })

  test('/clusters counts what was served', async () => {
    const name = 'outbound|8080||app.default.svc.cluster.local'
    const lines = (await text('/clusters')).split('\n')
    expect(lines).toContain(`${name}::127.0.0.1:${upstream.port}::health_flags::healthy`)
    expect(lines.find((line) => line.startsWith(`${name}::rq_total::`))).toMatch(/::[1-9]\d*$/)
    const { clusters } = (await json('/clusters?format=json')) as {
      clusters: { name: string; endpoints: { address: string }[] }[]
    }
    expect(clusters.find((cluster) => cluster.name === name)?.endpoints).toEqual([
      expect.objectContaining({ address: `127.0.0.1:${upstream.port}`, health: 'healthy' }),
    ])
  })

  test('/config_dump has every part, or the one that is asked for', async () => {
    const parts = ['listeners', 'routes', 'clusters', 'egress', 'mesh', 'limits', 'fixedLimits']
    expect(Object.keys((await json('/config_dump')) as object)).toEqual(['generation', ...parts])
    for (const part of parts) {
      expect(Object.keys((await json(`/config_dump?resource=${part}`)) as object)).toEqual([
        'generation',
        part,
      ])
    }
    expect((await get('/config_dump?resource=secrets')).status).toBe(400)
    expect(await text('/config_dump?resource=routes')).toContain('app.yaml')
  })

  test('/certs describes the served certificate', async () => {
    expect(await json('/certs')).toMatchObject({
      certificates: [
        {
          name: 'kubernetes://istio-system/tls-cert',
          subjectAltNames: ['DNS:tls.test'],
          fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
          problem: '',
        },
      ],
    })
  })

  test('/problems and validate print the same of the same file', async () => {
    const { counts, problems } = (await json('/problems')) as {
      counts: { error: number }
      problems: { code: string }[]
    }
    expect(counts.error).toBeGreaterThan(0)
    const found = problems.find(({ code }) => code === 'unknown-field')
    expect(found).toMatchObject({
      severity: 'error',
      kind: 'VirtualService',
      namespace: 'default',
      name: 'broken',
      path: 'spec.hots',
      file: `${gw.folder}/broken.yaml`,
    })
    const { stdout } = await runCommand(['validate', gw.folder, '-o', 'json'])
    const validated = (JSON.parse(stdout) as { problems: { code: string }[] }).problems
    expect(validated.find(({ code }) => code === 'unknown-field')).toEqual(found)
  })

  test('/server_info, /ready, /stats and the page', async () => {
    expect(await json('/server_info')).toMatchObject({
      version: 'test',
      pid: process.pid,
      state: 'LIVE',
      options: { config: [gw.folder] },
    })
    expect(await text('/ready')).toBe('LIVE\n')
    expect(await text('/stats?filter=istio_requests_total*app.default')).toMatch(
      /^istio_requests_total\{.*\} \d+\n/,
    )
    expect(await text('/stats/prometheus')).toContain('# TYPE istio_requests_total counter')
    const page = await text('/')
    expect(page).toContain(`127.0.0.1:${gw.port(80)}`)
    expect(page).toContain('unknown-field')
  })

  test('HEAD is answered like GET, without a body', async () => {
    for (const path of ['/', '/ready', '/listeners', '/config_dump', '/stats/prometheus']) {
      const response = await fetch(gw.admin + path, { method: 'HEAD' })
      expect([path, response.status, await response.text()]).toEqual([path, 200, ''])
    }
  })
})

const ACTING = [
  '/logging?level=info',
  '/reload',
  '/drain_listeners',
  '/healthcheck/fail',
  '/healthcheck/ok',
  '/quitquitquit',
]

describe('acting', () => {
  test.each(ACTING)('%s is for POST only, and not for other sites', async (path) => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const response = await fetch(gw.admin + path, { method })
      expect([method, response.status]).toEqual([method, 405])
    }
    const host = gw.admin.slice('http://'.length)
    const port = Number(host.split(':')[1])
    const foreign: Record<string, string>[] = [
      { host, origin: 'http://evil.test' },
      { host, origin: 'null' },
      { host: 'evil.test' },
      { host: `evil.test:${port}` },
    ]
    for (const headers of foreign) {
      const { status } = await call({ port, path, method: 'POST', headers })
      expect([headers, status]).toEqual([headers, 403])
    }
    expect(gw.gateway.state).toBe('ready')
    expect((await call({ port: gw.port(80), host: 'app.test' })).status).toBe(200)
  })

  test('own pages may: Origin that equals Host, by every name of this machine', async () => {
    const port = Number(gw.admin.split(':').at(-1))
    for (const name of ['127.0.0.1', 'localhost']) {
      const headers = { host: `${name}:${port}`, origin: `http://${name}:${port}` }
      const answer = await call({ port, path: '/logging?level=silent', method: 'POST', headers })
      expect([name, answer.status]).toEqual([name, 200])
    }
  })

  test('/healthcheck/fail fails readiness on both ports while traffic goes on', async () => {
    const status = `http://${gw.gateway.statusAddress}/healthz/ready`
    expect((await fetch(status)).status).toBe(200)
    expect((await post('/healthcheck/fail')).status).toBe(200)
    expect(await text('/ready')).toBe('HEALTHCHECK_FAILED\n')
    expect((await fetch(status)).status).toBe(503)
    expect((await call({ port: gw.port(80), host: 'app.test' })).status).toBe(200)
    await post('/healthcheck/ok')
    expect((await fetch(status)).status).toBe(200)
  })

  test('/reload tells whether something changed', async () => {
    const unchanged = (await (await post('/reload')).json()) as { generation: number }
    expect(unchanged).toMatchObject({ ok: true, changed: false })
    gw.write('more.yaml', gateway('more', ['more.test']))
    expect(await (await post('/reload')).json()).toEqual({
      ok: true,
      changed: true,
      generation: unchanged.generation + 1,
    })
  })

  test('the status port has readiness and metrics, nothing else', async () => {
    const base = `http://${gw.gateway.statusAddress}`
    expect(await (await fetch(`${base}/stats/prometheus`)).text()).toContain('istio_requests_total')
    for (const path of ['/', '/config_dump', '/certs', '/server_info', ...ACTING]) {
      expect((await fetch(base + path)).status).toBe(404)
      expect((await fetch(base + path, { method: 'POST' })).status).toBe(404)
    }
  })
})

test('/drain_listeners?graceful lets a request finish; /quitquitquit ends the process as SIGTERM does', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  let waiting = 0
  await using slow = await startUpstream((_request, response) => {
    waiting++
    void released.then(() => response.end('late'))
  })
  using folder = new TemporaryFolder({
    'app.yaml':
      service('app', slow.port) +
      gateway('gw', ['app.test']) +
      virtualService('app', ['app.test'], ['gw'], ROUTE),
  })
  const flags = ['--listen', '80=127.0.0.1:0', '--drain-delay', '0s']
  await using serving = await serve(['-c', folder.path, ...flags])
  const admin = `http://${serving.ready.admin}`
  const port = serving.port('*:80')
  const pending = call({ port, host: 'app.test' })
  await waitFor('the request', () => waiting === 1)
  expect((await fetch(`${admin}/drain_listeners?graceful`, { method: 'POST' })).status).toBe(200)
  await expect(call({ port, host: 'app.test' })).rejects.toThrow(/ECONNREFUSED/)
  // Nobody may send traffic to closed ports.
  const ready = await fetch(`http://${serving.ready.status}/healthz/ready`)
  expect([ready.status, await ready.text()]).toEqual([503, 'DRAINING\n'])
  release()
  expect(await pending).toMatchObject({ status: 200, body: 'late' })
  const quit = await fetch(`${admin}/quitquitquit`, { method: 'POST' })
  expect(await quit.text()).toBe('OK\n')
  expect((await serving.exit()).code).toBe(0)
  expect(serving.log.map(({ msg }) => msg)).toContain('SIGTERM: draining')
}, 30_000)

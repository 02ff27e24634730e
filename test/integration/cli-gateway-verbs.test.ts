import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { Authority } from '../../certs/authority.ts'
import { LiveView } from '../../src/cli/gateway-view.ts'
import type { Selection } from '../../src/cli/proxy-config/selection.ts'
import { type ConfigPart, showPart } from '../../src/cli/proxy-config.ts'
import { call } from '../support/call.ts'
import { type CommandResult, runCommand } from '../support/command.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { httpsGateway, tlsSecret } from '../support/secrets.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

// A test starts the command several times: seconds each on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const pair = Authority.create('verbs').issue(['tls.test'])

const DESTINATION_RULE = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: app-policy, namespace: default, creationTimestamp: "2020-01-02T03:04:05Z" }
spec:
  host: app
  trafficPolicy:
    outlierDetection: { consecutive5xxErrors: 1, maxEjectionPercent: 100, baseEjectionTime: 300s, interval: 300s }
---
`
const RULES = `  - name: secret-way
    match: [{ uri: { prefix: /in }, method: { exact: GET }, headers: { x-api-key: { exact: HUSH-1 } } }]
    route: [{ destination: { host: app } }]
    headers: { request: { set: { authorization: HUSH-2 } } }
  - retries: { attempts: 0 }
    route: [{ destination: { host: app } }]`

function configuration(port: number): Record<string, string> {
  return {
    'app.yaml': [
      service('app', port),
      DESTINATION_RULE,
      gateway('gw', ['app.test', 'x.test']),
      httpsGateway('tls', [{ hosts: ['tls.test'], tls: '{ mode: SIMPLE, credentialName: cert }' }]),
      virtualService('app', ['app.test', 'tls.test'], ['gw', 'tls'], RULES),
    ].join(''),
    'secret.yaml': tlsSecret('cert', pair),
  }
}

const CLUSTER = 'outbound|8080||app.default.svc.cluster.local'

/** What may never be printed. */
function hasSecret({ stdout, stderr }: CommandResult): boolean {
  const body = pair.key.split('\n')[1] ?? ''
  return /HUSH|PRIVATE KEY|BEGIN CERT/.test(stdout + stderr) || (stdout + stderr).includes(body)
}

/** Lines of a table, each as its cells. */
function cells(table: string): readonly (readonly string[])[] {
  return table
    .trimEnd()
    .split('\n')
    .map((row) => row.split(/ {3,}/))
}

let app: Upstream
let gw: TestGateway
let files: TemporaryFolder

beforeAll(async () => {
  app = await startUpstream((request, response) =>
    response.writeHead(request.url === '/fail' ? 500 : 200).end('app'),
  )
  const texts = configuration(app.port)
  gw = await startGateway(texts, { ports: [80, 443], egressProxy: true })
  files = new TemporaryFolder(texts)
})
afterAll(async () => {
  files[Symbol.dispose]()
  await gw[Symbol.asyncDispose]()
  await app[Symbol.asyncDispose]()
})

function asked(gateway: TestGateway, ...args: readonly string[]): Promise<CommandResult> {
  return runCommand([...args, '--admin', gateway.admin.replace('http://', '')])
}
const ask = (...args: readonly string[]): Promise<CommandResult> => asked(gw, ...args)
const askFiles = (...args: readonly string[]): Promise<CommandResult> =>
  runCommand([...args, '-c', files.path])

describe('proxy-config of a running gateway', () => {
  test('shows every part in the columns of istioctl, and no secret', async () => {
    const all = await ask('proxy-config', 'all')
    expect(all).toMatchObject({ code: 0, stderr: '' })
    expect(hasSecret(all)).toBe(false)
    const [listeners = '', routes = '', clusters = '', endpoints = '', secrets = ''] =
      all.stdout.split('\n\n')
    expect(cells(listeners)).toEqual([
      ['ADDRESSES', 'PORT', 'MATCH', 'DESTINATION'],
      ['127.0.0.1', String(gw.port(80)), 'ALL', 'Route: http.80'],
      ['127.0.0.1', String(gw.port(443)), 'SNI: tls.test', 'Route: https.443.https-0.tls.default'],
      ['127.0.0.1', String(gw.egressPort), 'ALL', 'Egress proxy: ALLOW_ANY'],
    ])
    expect(cells(routes).slice(0, 3)).toEqual([
      ['NAME', 'VHOST NAME', 'DOMAINS', 'MATCH', 'VIRTUAL SERVICE'],
      [
        'http.80',
        'app.test:80',
        'app.test',
        '/in*, GET, header x-api-key=[redacted]',
        'app.default',
      ],
      ['http.80', 'app.test:80', 'app.test', '/*', 'app.default'],
    ])
    expect(cells(clusters)).toEqual([
      ['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'DESTINATION RULE'],
      ['app.default.svc.cluster.local', '8080', '-', 'outbound', 'STATIC', 'app-policy.default'],
    ])
    expect(cells(endpoints).slice(0, 2)).toEqual([
      ['ENDPOINT', 'STATUS', 'OUTLIER CHECK', 'CLUSTER'],
      [`127.0.0.1:${app.port}`, 'HEALTHY', 'OK', CLUSTER],
    ])
    const [titles, certificate] = cells(secrets)
    expect(titles).toEqual([
      'RESOURCE NAME',
      'TYPE',
      'STATUS',
      'VALID CERT',
      'SERIAL NUMBER',
      'NOT AFTER',
      'NOT BEFORE',
    ])
    expect(certificate?.slice(0, 4)).toEqual([
      'kubernetes://istio-system/cert',
      'Cert Chain',
      'ACTIVE',
      'true',
    ])
    expect(certificate?.[5]).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}Z$/)
  })

  test('prints the same data as JSON and YAML', async () => {
    const [json, yaml] = await Promise.all([
      ask('pc', 'all', '-o', 'json'),
      ask('pc', 'all', '-o', 'yaml'),
    ])
    const data = JSON.parse(json.stdout) as object
    expect(Object.keys(data)).toEqual(['listeners', 'routes', 'clusters', 'endpoints', 'secrets'])
    expect(parse(yaml.stdout)).toEqual(data)
    expect([hasSecret(json), hasSecret(yaml)]).toEqual([false, false])
    expect(data).toMatchObject({
      listeners: [
        { name: '*:80', addresses: [`127.0.0.1:${gw.port(80)}`] },
        {},
        { name: 'egress' },
      ],
      clusters: [{ name: CLUSTER, destinationRules: ['default/app-policy'] }],
      secrets: [{ name: 'kubernetes://istio-system/cert', status: 'ACTIVE', valid: true }],
    })
  })

  const rows: [what: string, part: ConfigPart, wanted: Partial<Selection>, rows: number][] = [
    ['a listener by Gateway port', 'listeners', { port: 443 }, 1],
    ['a listener by name', 'listeners', { name: '*:80' }, 1],
    ['a route table by name', 'routes', { name: 'http.80' }, 2],
    ['routes of a domain', 'routes', { fqdn: 'tls.test' }, 2],
    ['routes of a port', 'routes', { port: 443 }, 2],
    ['a cluster by service', 'clusters', { fqdn: 'app.default.svc.cluster.local' }, 1],
    ['a cluster by a port nobody has', 'clusters', { port: 81 }, 0],
    ['endpoints of a service', 'endpoints', { fqdn: 'app.default.svc.cluster.local' }, 1],
    ['a certificate by a name nobody has', 'secrets', { name: 'x' }, 0],
  ]
  test.each(rows)('finds %s', async (_what, part, wanted, count) => {
    const view = new LiveView({ host: '127.0.0.1', port: Number(new URL(gw.admin).port) })
    const { table } = await showPart(part, view, { name: null, fqdn: null, port: null, ...wanted })
    expect(cells(table)).toHaveLength(1 + count)
  })

  test('refuses what it does not know, and says what it does', async () => {
    const [part, flag] = await Promise.all([
      ask('pc', 'cluters'),
      ask('pc', 'listener', '--fqdn', 'a'),
    ])
    expect([part.code, flag.code]).toEqual([2, 2])
    expect(part.stderr).toMatch(/did you mean clusters\?/)
    expect(flag.stderr).toMatch(/choose by --name, --port/)
  })
})

describe('files instead of a running gateway', () => {
  test('show what would be bound, with endpoints of unknown health', async () => {
    const all = await askFiles('pc', 'all')
    expect(all).toMatchObject({ code: 0, stderr: '' })
    expect(hasSecret(all)).toBe(false)
    const [listeners = '', , , endpoints = '', secrets = ''] = all.stdout.split('\n\n')
    expect(cells(listeners).slice(1)).toEqual([
      ['0.0.0.0', '80', 'ALL', 'Route: http.80'],
      ['0.0.0.0', '443', 'SNI: tls.test', 'Route: https.443.https-0.tls.default'],
    ])
    expect(cells(endpoints)[1]).toEqual([`127.0.0.1:${app.port}`, 'UNKNOWN', '-', CLUSTER])
    expect(cells(secrets)[1]?.[3]).toBe('true')
  })

  test('give the same routes and clusters as the gateway that serves them', async () => {
    const show = async (part: string): Promise<unknown[]> => {
      const texts = await Promise.all([
        ask('pc', part, '-o', 'json'),
        askFiles('pc', part, '-o', 'json'),
      ])
      return texts.map(({ stdout }, index) =>
        JSON.parse(stdout.replaceAll(index === 0 ? gw.folder : files.path, '')),
      )
    }
    for (const part of ['routes', 'clusters']) {
      const [live, offline] = await show(part)
      expect(offline).toEqual(live)
    }
  })

  test('cannot be asked for beside a gateway', async () => {
    const { code, stderr } = await ask('get', 'vs', '-c', files.path)
    expect(code).toBe(2)
    expect(stderr).toMatch(/both files and a running gateway/)
  })
})

describe('get', () => {
  test('lists resources as served', async () => {
    const { code, stdout } = await ask('get', 'vs')
    expect(code).toBe(0)
    expect(cells(stdout)).toEqual([
      ['NAMESPACE', 'NAME', 'GATEWAYS', 'HOSTS', 'AGE', 'SERVED', 'PROBLEMS', 'FILE'],
      [
        'default',
        'app',
        'gw, tls',
        'app.test, tls.test',
        '-',
        'yes',
        expect.any(String),
        expect.stringMatching(/app\.yaml:\d+$/),
      ],
    ])
  })

  test('knows ages, namespaces and names', async () => {
    const [rule, other, named, json] = await Promise.all([
      ask('get', 'dr', '-n', 'default'),
      ask('get', 'gw', '-n', 'other'),
      ask('get', 'gateways', 'tls', '-A'),
      ask('get', 'dr', '-o', 'json'),
    ])
    expect(cells(rule.stdout)[1]?.slice(0, 4)).toEqual([
      'default',
      'app-policy',
      'app',
      expect.stringMatching(/^\d+d$/),
    ])
    expect(other.stdout).toBe('no Gateway in namespace other\n')
    expect(cells(named.stdout)).toHaveLength(2)
    expect(JSON.parse(json.stdout)).toMatchObject({
      generation: 1,
      resources: [
        {
          kind: 'DestinationRule',
          namespace: 'default',
          name: 'app-policy',
          hosts: ['app'],
          createdAt: '2020-01-02T03:04:05.000Z',
          served: true,
          problems: { error: 0 },
        },
      ],
    })
  })
})

test('where no gateway answers, every verb says so and exits with 3', async () => {
  const verbs = [['pc', 'all'], ['get', 'vs'], ['status'], ['drain'], ['reload']]
  const answers = await Promise.all(
    verbs.map((verb) => runCommand([...verb, '--admin', '127.0.0.1:1'])),
  )
  for (const { code, stdout, stderr } of answers) {
    expect([code, stdout]).toEqual([3, ''])
    expect(stderr).toMatch(
      /^tidegate: no answer: .+\n {2}where: 127\.0\.0\.1:1\n {2}what to do: .+\n$/,
    )
  }
})

describe('the life of a gateway', () => {
  test('status, reload and drain tell and change its state', async () => {
    await using own = await startGateway(configuration(app.port), { ports: [80, 443] })
    const fine = await asked(own, 'status')
    expect(fine).toMatchObject({ code: 0, stderr: '' })
    expect(fine.stdout).toMatch(/^state +LIVE\ngeneration +1\nlast reload +applied at /)
    expect(fine.stdout).toContain(`127.0.0.1:${own.port(80)}`)
    expect(fine.stdout).not.toContain('DEGRADED')

    const idle = await asked(own, 'reload')
    expect(idle).toMatchObject({ code: 0 })
    expect(idle.stdout).toMatch(/^nothing changed, generation 1 serves: 0 errors, /m)

    own.write(
      'broken.yaml',
      virtualService('broken', ['x.test'], ['gw'], RULES).replace('hosts', 'hots'),
    )
    const reloaded = await asked(own, 'reload', '-o', 'json')
    expect(reloaded.code).toBe(0)
    expect(JSON.parse(reloaded.stdout)).toMatchObject({
      ok: true,
      counts: { error: expect.any(Number) },
      problems: expect.arrayContaining([expect.objectContaining({ name: 'broken' })]),
    })
    const told = await asked(own, 'reload')
    expect(told.stdout).toMatch(/^error: .*broken\.yaml:\d+ VirtualService default\/broken /m)
    expect(cells((await asked(own, 'get', 'vs', 'broken')).stdout)[1]).toContain('NO')

    await call({ port: own.port(80), host: 'app.test', path: '/fail' })
    const worse = await asked(own, 'status', '-o', 'json')
    expect(worse.code).toBe(1)
    expect(JSON.parse(worse.stdout)).toMatchObject({
      state: 'LIVE',
      lastLoad: { ok: true },
      degraded: [
        { what: 'configuration', reason: expect.stringContaining('error') },
        { what: CLUSTER, reason: '1 of 1 endpoints are ejected' },
      ],
    })
    expect(cells((await asked(own, 'pc', 'endpoints')).stdout)[1]?.slice(1, 3)).toEqual([
      'HEALTHY',
      'FAILED',
    ])

    const drained = await asked(own, 'drain')
    expect(drained).toMatchObject({ code: 0, stderr: '' })
    expect(drained.stdout).toMatch(/^draining: .*\nthis does not wait/)
    const last = await asked(own, 'status')
    expect(last.code).toBe(1)
    expect(last.stdout).toMatch(/^state +DRAINING\n/)
    expect(last.stdout).toMatch(/^gateway +draining: /m)
  })
})

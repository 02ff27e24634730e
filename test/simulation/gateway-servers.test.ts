import { beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { Simulation } from '../support/simulate.ts'

interface Server {
  readonly port: string
  readonly hosts: string
  readonly tls?: string
  readonly bind?: string
}

function gateway(name: string, servers: readonly Server[], metadata = ''): string {
  const list = servers.map(
    ({ port, hosts, tls, bind }) =>
      `  - { port: ${port}, hosts: ${hosts}${tls === undefined ? '' : `, tls: ${tls}`}${bind === undefined ? '' : `, bind: "${bind}"`} }`,
  )
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: ${name}${metadata} }
spec:
  servers:
${list.join('\n')}
---
`
}

const http = (number: number, hosts: string, tls?: string): Server => ({
  port: `{ number: ${number}, name: http-${number}, protocol: HTTP }`,
  hosts,
  ...(tls === undefined ? {} : { tls }),
})
const https = (
  hosts: string,
  tls = '{ mode: SIMPLE, credentialName: good }',
  name = 'https',
): Server => ({
  port: `{ number: 443, name: ${name}, protocol: HTTPS }`,
  hosts,
  tls,
})

/** Answers every host of the Gateway with a redirect that names the VirtualService. */
function answer(name: string, hosts: string, gateways = '[gw]'): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec: { hosts: ${hosts}, gateways: ${gateways}, http: [{ name: ${name}, redirect: { uri: /${name} } }] }
---
`
}

function secret(name: string, namespace: string, data: Record<string, string>): string {
  const document = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    stringData: data,
  }
  return `${JSON.stringify(document)}\n---\n`
}

let good = ''

beforeAll(() => {
  const pair = Authority.create('Simulation').issue(['a.com', '*.b.com'])
  good = secret('good', 'istio-system', { 'tls.crt': pair.certificate, 'tls.key': pair.key })
})

describe('several Gateways on one port', () => {
  test('clear-text servers pool hosts and VirtualServices', () => {
    const run = new Simulation(
      gateway('gw', [http(80, '[a.com]')]) +
        gateway('second', [http(80, '[b.com]')]) +
        answer('one', '[a.com]') +
        answer('two', '[b.com]', '[second]'),
    )
    expect(run.snapshot.listeners).toHaveLength(1)
    expect(run.resolve({ port: 80, host: 'a.com' })).toMatchObject({
      table: 'http.80',
      route: 'one',
    })
    expect(run.resolve({ port: 80, host: 'b.com' })).toMatchObject({
      table: 'http.80',
      route: 'two',
    })
  })

  test('a VirtualService does not reach hosts of a Gateway it does not name', () => {
    const run = new Simulation(
      gateway('gw', [http(80, '[a.com]')]) +
        gateway('second', [http(80, '[b.com]')]) +
        answer('one', '["*"]'),
    )
    expect(run.resolve({ port: 80, host: 'b.com' }).to).toBe('404 NR')
  })

  test('another family on the port is dropped, and the finding names both', () => {
    const run = new Simulation(
      good +
        gateway('gw', [http(443, '[a.com]')], ', creationTimestamp: "2024-01-01T00:00:00Z"') +
        gateway('late', [https('[b.com]')]) +
        answer('one', '[a.com]'),
    )
    expect(run.resolve({ port: 443, host: 'a.com' }).route).toBe('one')
    const [finding] = run.found('gateway-server-conflict')
    expect(finding?.ref?.name).toBe('late')
    expect(finding?.message).toMatch(
      /HTTPS cannot share port 443 with HTTP of Gateway default\/gw \(test\.yaml:\d+\)/,
    )
  })

  test('one equal host drops the whole younger TLS server, whatever namespaces the hosts carry', () => {
    const run = new Simulation(
      good +
        gateway('gw', [https('[default/a.com]')], ', creationTimestamp: "2024-01-01T00:00:00Z"') +
        gateway('late', [https('[a.com, c.com]')]) +
        answer('one', '[a.com]', '[gw, late]') +
        answer('two', '[c.com]', '[late]'),
    )
    expect(run.resolve({ port: 443, sni: 'a.com' })).toMatchObject({
      table: 'https.443.https.gw.default',
      route: 'one',
    })
    expect(run.resolve({ port: 443, sni: 'c.com' }).to).toBe('closed')
    expect(run.found('gateway-server-conflict')[0]?.message).toContain('host a.com')
  })

  test('different bind addresses are different listeners', () => {
    const run = new Simulation(
      gateway('gw', [{ ...http(80, '[a.com]'), bind: '127.0.0.1' }]) +
        gateway('second', [{ ...http(80, '[b.com]'), bind: '127.0.0.2' }]),
    )
    expect(run.snapshot.listeners.map(({ key }) => key)).toEqual(['127.0.0.1:80', '127.0.0.2:80'])
    const [first] = run.snapshot.listeners
    expect(first?.accept.type === 'http' ? first.accept.http.name : '').toBe('http.80.127.0.0.1')
  })
})

describe('SNI', () => {
  test.each([
    ['a.com', 'exact'],
    ['A.com'.toLowerCase(), 'exact'],
    ['x.b.com', 'wildcard'],
    ['y.x.b.com', 'wildcard'],
  ])('%s is served by %s', (sni, route) => {
    const run = new Simulation(
      good +
        gateway('gw', [
          https('[a.com]', undefined, 'one'),
          https('["*.b.com"]', undefined, 'two'),
        ]) +
        answer('exact', '[a.com]') +
        answer('wildcard', '["*.b.com"]'),
    )
    expect(run.resolve({ port: 443, sni }).route).toBe(route)
  })

  test.each(['b.com', 'c.com', ''])('%o, which no server has, is closed', (sni) => {
    const run = new Simulation(
      good + gateway('gw', [https('["*.b.com"]')]) + answer('one', '["*.b.com"]'),
    )
    expect(run.resolve({ port: 443, sni, host: 'x.b.com' }).to).toBe('closed')
  })

  test('a * among the hosts of a server lifts its SNI restriction', () => {
    const run = new Simulation(
      good + gateway('gw', [https('[a.com, "*"]')]) + answer('one', '["*"]'),
    )
    expect(run.resolve({ port: 443, sni: '', host: 'anything.org' }).route).toBe('one')
  })

  test('a host of another server is 421, unless both show the same certificate', () => {
    const other = '{ mode: SIMPLE, credentialName: other }'
    const run = new Simulation(
      good +
        good.replace('"good"', '"other"') +
        gateway('gw', [
          https('[a.com]', undefined, 'one'),
          https('[c.com]', undefined, 'two'),
          https('[d.com]', other, 'three'),
        ]) +
        answer('one', '[a.com]') +
        answer('two', '[c.com]') +
        answer('three', '[d.com]'),
    )
    expect(run.resolve({ port: 443, sni: 'a.com', host: 'c.com' }).route).toBe('two')
    expect(run.resolve({ port: 443, sni: 'a.com', host: 'd.com' }).to).toBe('421 NR')
    expect(run.resolve({ port: 443, sni: 'a.com', host: 'e.com' }).to).toBe('404 NR')
  })
})

describe('certificates', () => {
  test('come from the namespace of the gateway, not of the Gateway', () => {
    const elsewhere = good.replace('istio-system', 'default')
    const run = new Simulation(
      elsewhere + gateway('gw', [https('[a.com]')]) + answer('one', '[a.com]'),
    )
    expect(run.resolve({ port: 443, sni: 'a.com' }).to).toBe('handshake refused')
    const [finding] = run.found('secret-not-found')
    expect(finding?.message).toContain('Secret istio-system/good')
    expect(finding?.hint).toContain('default/good')
  })

  test('a missing Secret breaks its own server only', () => {
    const missing = https('[c.com]', '{ mode: SIMPLE, credentialName: gone }', 'other')
    const run = new Simulation(
      good + gateway('gw', [https('[a.com]'), missing]) + answer('one', '["*"]'),
    )
    expect(run.resolve({ port: 443, sni: 'a.com' }).route).toBe('one')
    expect(run.resolve({ port: 443, sni: 'c.com' }).to).toBe('handshake refused')
  })

  test.each([
    ['secret-keys-missing', { other: 'x' }],
    ['secret-keys-empty', { 'tls.crt': '', 'tls.key': '' }],
  ])('%s is reported and refuses handshakes', (code, data) => {
    const run = new Simulation(
      secret('good', 'istio-system', data) + gateway('gw', [https('[a.com]')]),
    )
    const findings = [...run.problems, ...run.storeProblems].map((problem) => problem.code)
    expect(findings).toContain(code)
    expect(run.resolve({ port: 443, sni: 'a.com' }).to).toBe('handshake refused')
  })

  test('a pair that cannot serve is reported and left to tls/, which knows the last good one', () => {
    const data = { 'tls.crt': 'no certificate', 'tls.key': 'no key' }
    const run = new Simulation(
      secret('good', 'istio-system', data) + gateway('gw', [https('[a.com]')]),
    )
    const [finding] = run.found('secret-invalid')
    expect(finding?.severity).toBe('error')
    expect(finding?.message).toContain('last good version keeps serving')
    expect(run.resolve({ port: 443, sni: 'a.com' }).to).toBe('404 NR')
  })

  test('the keys cert and key go before tls.crt and tls.key', () => {
    const generic = Authority.create('Other').issue(['a.com'])
    const both = JSON.parse(good.split('\n')[0] ?? '') as { stringData: Record<string, string> }
    const data = { ...both.stringData, cert: generic.certificate, key: generic.key }
    const run = new Simulation(
      secret('good', 'istio-system', data) + gateway('gw', [https('[a.com]')]),
    )
    const accept = run.listener(443)?.accept
    const source = accept?.type === 'tls' ? accept.chains.all[0]?.tls.certificates[0] : undefined
    expect(source).toMatchObject({ certificate: generic.certificate })
    expect(JSON.stringify(source)).not.toContain('PRIVATE KEY')
  })

  test('versions, ciphers and ALPN', () => {
    const tls =
      '{ mode: SIMPLE, credentialName: good, minProtocolVersion: TLSV1_3, cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256, NO-SUCH] }'
    const run = new Simulation(good + gateway('gw', [https('[a.com]', tls)]))
    const accept = run.listener(443)?.accept
    expect(accept?.type === 'tls' ? accept.chains.all[0]?.tls : null).toMatchObject({
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      ciphers: 'ECDHE-RSA-AES128-GCM-SHA256',
      alpn: ['h2', 'http/1.1'],
    })
  })
})

describe('servers that pass TLS through', () => {
  test.each(['{ mode: PASSTHROUGH }', '{ credentialName: good }', '{ mode: AUTO_PASSTHROUGH }'])(
    '%s with nowhere to go opens no port of its own',
    (tls) => {
      const run = new Simulation(
        good + gateway('gw', [https('[a.com]', tls, 'passing')]) + answer('one', '[a.com]'),
      )
      expect(run.resolve({ port: 443, sni: 'a.com' }).to).toBe('closed')
      const found = run.found('tls-server-without-route')
      expect(found.map(({ severity }) => severity)).toEqual(tls.includes('AUTO') ? [] : ['warning'])
    },
  )

  test('a wildcard of another server does not answer for them', () => {
    const run = new Simulation(
      good +
        gateway('gw', [
          https('[a.b.com]', '{ mode: PASSTHROUGH }', 'passing'),
          https('["*.b.com"]'),
        ]) +
        answer('one', '["*.b.com"]'),
    )
    expect(run.resolve({ port: 443, sni: 'a.b.com' }).to).toBe('closed')
    expect(run.resolve({ port: 443, sni: 'c.b.com' }).route).toBe('one')
  })
})

test('MUTUAL without a CA refuses handshakes and is never SIMPLE', () => {
  const run = new Simulation(
    good +
      gateway('gw', [https('[a.com]', '{ mode: MUTUAL, credentialName: good }')]) +
      answer('one', '[a.com]'),
  )
  expect(run.resolve({ port: 443, sni: 'a.com' }).to).toBe('handshake refused')
  expect(run.found('client-ca-missing')[0]?.severity).toBe('error')
})

describe('httpsRedirect', () => {
  const yaml =
    gateway('gw', [
      http(80, '[a.com, "*.b.com"]', '{ httpsRedirect: true }'),
      http(81, '[a.com]'),
    ]) + answer('one', '[a.com]')
  const run = new Simulation(yaml)

  test.each([
    ['a.com:80', 'https://a.com/x?y=1', 'before routing'],
    ['z.b.com', 'https://z.b.com/x?y=1', 'without any VirtualService'],
  ])('%s goes to %s %s', (host, location) => {
    expect(run.resolve({ port: 80, host, path: '/x?y=1' }).to).toBe(`301 ${location}`)
  })

  test('other hosts and other servers are not redirected', () => {
    expect(run.resolve({ port: 80, host: 'b.com' }).to).toBe('404 NR')
    expect(run.resolve({ port: 81, host: 'a.com' }).route).toBe('one')
  })
})

describe('TCP servers', () => {
  const server = { port: '{ number: 3306, name: tcp, protocol: TCP }', hosts: '["*"]' }
  const entry = (host: string, address: string): string => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${host.replace('.', '-')} }
spec: { hosts: [${host}], ports: [{ number: 3306, name: tcp, protocol: TCP }], resolution: STATIC, endpoints: [{ address: ${address} }] }
---
`
  const tcp = (rules: string): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: db }
spec: { hosts: ["*"], gateways: [gw], tcp: ${rules} }
---
`
  const entries = entry('one.db', '10.0.0.1') + entry('two.db', '10.0.0.2')

  test('the first rule whose port matches is taken, with its weights', () => {
    const rules =
      '[{ match: [{ port: 1 }], route: [{ destination: { host: two.db } }] }, { match: [{ port: 3306 }], route: [{ destination: { host: one.db }, weight: 1 }, { destination: { host: two.db }, weight: 4 }] }]'
    const run = new Simulation(gateway('gw', [server]) + entries + tcp(rules))
    expect(run.resolve({ port: 3306 }).to).toBe(
      '20% outbound|3306||one.db, 80% outbound|3306||two.db',
    )
    expect(run.cluster('outbound|3306||one.db').protocol).toBe('tcp')
  })

  test('without a rule no port is opened, and that is reported', () => {
    const run = new Simulation(gateway('gw', [server]) + entries)
    expect(run.resolve({ port: 3306 }).to).toBe('closed')
    expect(run.found('tcp-server-without-route')).toHaveLength(1)
  })

  test('http rules do not count on a TCP server', () => {
    expect(
      new Simulation(gateway('gw', [server]) + answer('one', '["*"]')).resolve({ port: 3306 }).to,
    ).toBe('closed')
  })

  test('a second TCP server on the port is dropped', () => {
    const run = new Simulation(
      gateway('gw', [server]) +
        gateway('late', [server]) +
        entries +
        tcp('[{ route: [{ destination: { host: one.db } }] }]'),
    )
    expect(run.found('gateway-server-conflict')[0]?.ref?.name).toBe('late')
  })
})

describe('port translation', () => {
  const service = (port: string, namespace = 'istio-system', labels = ''): string => `apiVersion: v1
kind: Service
metadata: { name: ingress, namespace: ${namespace}${labels} }
spec: { selector: { app: gw }, ports: [${port}] }
---
`
  const ownLabels = [{ app: 'gw' }]
  const yaml = gateway('gw', [http(80, '[a.com]')])

  test.each([
    ['a number', service('{ port: 80, targetPort: 8080 }'), '*:8080'],
    ['a number in quotes', service('{ port: 80, targetPort: "8080" }'), '*:8080'],
    ['no targetPort', service('{ port: 80 }'), '*:80'],
    ['another port', service('{ port: 81, targetPort: 8081 }'), '*:80'],
    [
      'a Service of another namespace',
      service('{ port: 80, targetPort: 8080 }', 'default'),
      '*:80',
    ],
    [
      'the opt-out label',
      service(
        '{ port: 80, targetPort: 8080 }',
        'istio-system',
        ', labels: { experimental.istio.io/disable-gateway-port-translation: "true" }',
      ),
      '*:80',
    ],
    [
      'the name of a container port',
      `${service('{ port: 80, targetPort: web }')}apiVersion: v1
kind: Pod
metadata: { name: gw-1, namespace: istio-system, labels: { app: gw } }
spec: { containers: [{ name: proxy, ports: [{ name: web, containerPort: 9080 }] }] }
---
`,
      '*:9080',
    ],
  ])('%s', (_name, extra, key) => {
    const run = new Simulation(extra + yaml, { ownLabels })
    expect(run.snapshot.listeners.map((listener) => listener.key)).toEqual([key])
  })

  test('without own labels a Service counts when it selects what the Gateway selects', () => {
    const selected = yaml.replace('spec:', 'spec:\n  selector: { app: gw, tier: edge }')
    const run = new Simulation(service('{ port: 80, targetPort: 8080 }') + selected)
    expect(run.snapshot.listeners.map((listener) => listener.key)).toEqual(['*:8080'])
  })
})

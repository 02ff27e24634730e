import { describe, expect, test } from 'vitest'
import { ACCESS_LOG_MESH, loggedExchanges } from '../support/access-log.ts'
import { call } from '../support/call.ts'
import { startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

/** A VirtualService that answers with its own name, in any namespace and with any extra spec. */
function answering(
  name: string,
  hosts: readonly string[],
  gateways: readonly string[],
  options: { namespace?: string; spec?: string } = {},
): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: ${options.namespace ?? 'default'} }
spec:
  hosts: ${JSON.stringify(hosts)}
  gateways: ${JSON.stringify(gateways)}
  http: [{ directResponse: { status: 200, body: { string: ${name} } } }]
  ${options.spec ?? ''}
---
`
}

describe('virtual host selection by the Host header', () => {
  const yaml =
    gateway('gw', ['*']) +
    answering('exact', ['shop.test'], ['gw']) +
    answering('wild', ['*.shop.test'], ['gw']) +
    answering('deep', ['*.eu.shop.test'], ['gw']) +
    answering('address', ['192.0.2.7'], ['gw']) +
    answering('short', ['web-svc'], ['gw']) +
    answering('any', ['*'], ['gw'])
  const rows: readonly (readonly [what: string, host: string, answer: string])[] = [
    ['an exact host', 'shop.test', 'exact'],
    ['in any case', 'SHOP.Test', 'exact'],
    ['with a port', 'shop.test:8443', 'exact'],
    ['below a wildcard', 'a.shop.test', 'wild'],
    ['two labels below a wildcard', 'b.a.shop.test', 'wild'],
    ['the longest wildcard', 'a.eu.shop.test', 'deep'],
    ['the name of a wildcard itself is below the shorter one', 'eu.shop.test', 'wild'],
    ['an address', '192.0.2.7', 'address'],
    ['an address with a port', '192.0.2.7:80', 'address'],
    ['a short name is expanded', 'web-svc.default.svc.cluster.local', 'short'],
    ['a short name as sent is another host', 'web-svc', 'any'],
    ['an ending that is no label', 'notshop.test', 'any'],
    ['anything else', 'elsewhere.example', 'any'],
  ]
  test('every host form reaches its virtual host', async () => {
    await using gw = await startGateway(yaml, { ports: [80] })
    const port = gw.port(80)
    const answers = await Promise.all(rows.map(([, host]) => call({ port, host })))
    expect(rows.map(([what], i) => [what, answers[i]!.body])).toEqual(
      rows.map(([what, , answer]) => [what, answer]),
    )
  })

  test('a chosen virtual host is final: no second attempt at the catch-all host', async () => {
    const narrow = virtualService(
      'narrow',
      ['shop.test'],
      ['gw'],
      '  - { match: [{ uri: { prefix: /in } }], directResponse: { status: 200, body: { string: in } } }',
    )
    await using gw = await startGateway(
      gateway('gw', ['*']) + narrow + answering('any', ['*'], ['gw']),
      { ports: [80] },
    )
    expect((await call({ port: gw.port(80), host: 'shop.test', path: '/in' })).body).toBe('in')
    const missed = await call({ port: gw.port(80), host: 'shop.test', path: '/out' })
    expect([missed.status, missed.body]).toEqual([404, ''])
  })
})

describe('Gateways and the VirtualServices they admit', () => {
  /** Gateway in namespace `edge`. */
  const edge = (name: string, hosts: readonly string[]): string =>
    gateway(name, hosts).replace(`{ name: ${name} }`, `{ name: ${name}, namespace: edge }`)
  const rows: readonly {
    what: string
    yaml: string
    answers: Readonly<Record<string, string | number>>
  }[] = [
    {
      what: 'several Gateways on one port pool their hosts',
      yaml:
        gateway('one', ['one.test']) +
        gateway('two', ['two.test']) +
        answering('first', ['one.test'], ['one']) +
        answering('second', ['two.test'], ['two']),
      answers: { 'one.test': 'first', 'two.test': 'second', 'three.test': 404 },
    },
    {
      what: 'VirtualServices of several Gateways share a host, in the order of their names',
      yaml:
        gateway('one', ['shared.test']) +
        gateway('two', ['shared.test']) +
        answering('b-second', ['shared.test'], ['two']) +
        answering('a-first', ['shared.test'], ['one']),
      answers: { 'shared.test': 'a-first' },
    },
    {
      what: 'ns/host admits VirtualServices of that namespace only',
      yaml:
        edge('gw', ['team/team.test', '*/open.test']) +
        answering('good', ['team.test', 'open.test'], ['edge/gw'], { namespace: 'team' }) +
        answering('thief', ['team.test'], ['edge/gw'], { namespace: 'other' }),
      answers: { 'team.test': 'good', 'open.test': 'good' },
    },
    {
      what: 'ns/host keeps a stranger out altogether',
      yaml:
        edge('gw', ['team/team.test']) +
        answering('thief', ['team.test'], ['edge/gw'], { namespace: 'other' }),
      answers: { 'team.test': 404 },
    },
    {
      what: './host admits the namespace of the Gateway',
      yaml:
        edge('gw', ['./own.test', './other.test']) +
        answering('own', ['own.test'], ['gw'], { namespace: 'edge' }) +
        answering('stranger', ['other.test'], ['edge/gw'], { namespace: 'other' }),
      answers: { 'own.test': 'own', 'other.test': 404 },
    },
    {
      what: 'the narrower of the two hosts is served',
      yaml:
        gateway('gw', ['*.wide.test', 'only.test']) +
        answering('exact', ['a.wide.test'], ['gw']) +
        answering('all', ['*'], ['gw']),
      answers: { 'a.wide.test': 'exact', 'b.wide.test': 'all', 'only.test': 'all', 'x.test': 404 },
    },
    {
      what: 'exportTo is judged from the namespace of the gateway',
      yaml:
        gateway('gw', ['*']) +
        answering('private', ['private.test'], ['gw'], { spec: 'exportTo: ["."]' }) +
        answering('given', ['given.test'], ['gw'], { spec: 'exportTo: [istio-system]' }) +
        answering('public', ['public.test'], ['gw'], { spec: 'exportTo: ["*"]' }),
      answers: { 'private.test': 404, 'given.test': 'given', 'public.test': 'public' },
    },
    {
      what: 'a VirtualService without this Gateway, or bound to mesh alone, is not served',
      yaml:
        gateway('gw', ['*']) +
        answering('elsewhere', ['elsewhere.test'], ['missing']) +
        answering('inside', ['inside.test'], ['mesh']) +
        answering('both', ['both.test'], ['mesh', './gw']),
      answers: { 'elsewhere.test': 404, 'inside.test': 404, 'both.test': 'both' },
    },
    {
      what: 'a newer catch-all stands behind the rules of other VirtualServices',
      yaml:
        gateway('gw', ['shop.test']) +
        answering('a-all', ['shop.test'], ['gw']) +
        virtualService(
          'b-root',
          ['shop.test'],
          ['gw'],
          '  - { match: [{ uri: { exact: / } }], directResponse: { status: 200, body: { string: root } } }',
        ),
      answers: { 'shop.test': 'root' },
    },
  ]
  test.each(rows)('$what', async ({ yaml, answers }) => {
    await using gw = await startGateway(yaml, { ports: [80] })
    const port = gw.port(80)
    const seen: Record<string, string | number> = {}
    for (const host of Object.keys(answers)) {
      const answer = await call({ port, host })
      seen[host] = answer.status === 200 ? answer.body : answer.status
    }
    expect(seen).toEqual(answers)
  })

  test('servers of two ports are two route tables', async () => {
    await using gw = await startGateway(
      gateway('gw', ['*'], 80) +
        gateway('other', ['*'], 8080) +
        answering('low', ['*'], ['gw']) +
        answering('high', ['*'], ['other']),
      { ports: [80, 8080] },
    )
    expect((await call({ port: gw.port(80), host: 'a.test' })).body).toBe('low')
    expect((await call({ port: gw.port(8080), host: 'a.test' })).body).toBe('high')
  })
})

test('what cannot be routed or reached is answered with Envoy statuses, bodies and flags', async () => {
  await using gone = await startUpstream('gone')
  const refusedPort = gone.port
  await gone[Symbol.asyncDispose]()
  const empty = service('empty', 1).replace(/endpoints: .*/, 'endpoints: []')
  const subset = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: gone }
spec: { host: gone, subsets: [{ name: v9, labels: { version: v9 } }] }
---
`
  const route = (path: string, destination: string, more = ''): string =>
    `  - { match: [{ uri: { exact: ${path} } }], route: [{ destination: ${destination} }] ${more} }\n`
  const yaml =
    ACCESS_LOG_MESH +
    service('gone', refusedPort) +
    empty +
    subset +
    gateway('gw', ['app.test']) +
    virtualService(
      'app',
      ['app.test'],
      ['gw'],
      route('/no-host', '{ host: nowhere }') +
        route('/no-port', '{ host: gone, port: { number: 99 } }') +
        route('/no-subset', '{ host: gone, subset: v1 }') +
        route('/empty', '{ host: empty }') +
        route('/empty-subset', '{ host: gone, subset: v9 }') +
        route('/refused', '{ host: gone }') +
        route('/refused-once', '{ host: gone }', ', retries: { attempts: 0 }'),
    )
  await using gw = await startGateway(yaml, { ports: [80] })
  const rows: readonly (readonly [
    path: string,
    host: string,
    status: number,
    flags: string,
    body: RegExp,
  ])[] = [
    ['/unknown-host', 'other.test', 404, 'NR', /^$/],
    ['/no-route', 'app.test', 404, 'NR', /^$/],
    ['/no-host', 'app.test', 503, 'NC', /^$/],
    ['/no-port', 'app.test', 503, 'NC', /^$/],
    ['/no-subset', 'app.test', 503, 'NC', /^$/],
    ['/empty', 'app.test', 503, 'UH', /^no healthy upstream$/],
    ['/empty-subset', 'app.test', 503, 'UH', /^no healthy upstream$/],
    ['/refused', 'app.test', 503, 'URX,UF', /^upstream connect error .*connection failure/],
    ['/refused-once', 'app.test', 503, 'UF', /^upstream connect error .*connection failure/],
  ]
  for (const [path, host, status, , body] of rows) {
    const answer = await call({ port: gw.port(80), host, path })
    expect([path, answer.status]).toEqual([path, status])
    expect(answer.body, path).toMatch(body)
    expect(answer.headers['server'], path).toBe('istio-envoy')
  }
  const lines = await loggedExchanges(
    gw,
    rows.map(([path]) => path),
  )
  const flagsOf = (flags: string): string[] => flags.split(',').toSorted()
  expect(rows.map(([path]) => [path, flagsOf(lines.get(path)!.flags)])).toEqual(
    rows.map(([path, , , flags]) => [path, flagsOf(flags)]),
  )
})

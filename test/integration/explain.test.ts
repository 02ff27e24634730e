import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import type { Explanation } from '../../src/explain/explanation.ts'
import { call } from '../support/call.ts'
import { type CommandResult, runCommand } from '../support/command.ts'
import { type TestGateway, startGateway } from '../support/gateway.ts'
import { httpsGateway, tlsSecret } from '../support/secrets.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const authority = Authority.create('Explain')
const NO_RETRY = 'retries: { attempts: 0 }'
const RULES = `  - match: [{ uri: { exact: /exact } }, { headers: { end-user: { prefix: jas } } }]
    rewrite: { uri: /rewritten }
    route: [{ destination: { host: web } }]
  - match: [{ uri: { prefix: /old } }]
    redirect: { uri: /new, authority: other.test, redirectCode: 302 }
  - match: [{ uri: { regex: "/t[0-9]+" }, method: { exact: GET } }]
    directResponse: { status: 418 }
  - match: [{ queryParams: { v: { exact: "2" } } }]
    route: [{ destination: { host: nowhere } }]
  - match: [{ uri: { prefix: /empty } }]
    route: [{ destination: { host: empty } }]
  - match: [{ uri: { prefix: /bad } }]
    ${NO_RETRY}
    route: [{ destination: { host: bad } }]`

function configuration(web: Upstream, bad: Upstream): string {
  return [
    tlsSecret('cert', authority.issue(['a.test', 'b.test'])),
    service('web', web.port),
    service('bad', bad.port),
    `apiVersion: v1
kind: Service
metadata: { name: empty }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: bad }
spec:
  host: bad
  trafficPolicy:
    outlierDetection: { consecutive5xxErrors: 1, maxEjectionPercent: 100, baseEjectionTime: 300s, interval: 300s }
---
`,
    gateway('gw', ['a.test', '*.wild.test']),
    httpsGateway('tls', [
      { hosts: ['a.test'], tls: '{ mode: SIMPLE, credentialName: cert }' },
      { hosts: ['b.test'], tls: '{ mode: SIMPLE, credentialName: cert }' },
    ]),
    virtualService('main', ['a.test', '*.wild.test'], ['gw', 'tls'], RULES),
  ].join('')
}

test('a listener that is drained takes no request', async () => {
  await using gw = await startGateway(
    gateway('gw', ['a.test']) +
      virtualService('vs', ['a.test'], ['gw'], '  - directResponse: { status: 200 }'),
    { ports: [80] },
  )
  const explain = async (): Promise<Explanation> => {
    const answer = await fetch(`${gw.admin}/explain?url=http://a.test/`)
    return (await answer.json()) as Explanation
  }
  expect((await explain()).outcome.status).toBe(200)
  await fetch(`${gw.admin}/drain_listeners`, { method: 'POST' })
  const isRefused = async (): Promise<boolean> => !(await explain()).outcome.ok
  await waitFor('a refusal', isRefused)
})

describe('GET /explain', () => {
  let web: Upstream
  let bad: Upstream
  let gw: TestGateway

  beforeAll(async () => {
    web = await startUpstream((request, response) => response.end(`web ${request.url}`))
    bad = await startUpstream((_request, response) => response.writeHead(500).end())
    gw = await startGateway(configuration(web, bad), { ports: [80, 443] })
  })
  afterAll(async () => {
    await gw[Symbol.asyncDispose]()
    await web[Symbol.asyncDispose]()
    await bad[Symbol.asyncDispose]()
  })

  async function explain(
    asked: Readonly<Record<string, string | readonly string[]>>,
  ): Promise<Explanation> {
    const query = new URLSearchParams(
      Object.entries(asked).flatMap(([name, value]) =>
        [value].flat().map((one): [string, string] => [name, one]),
      ),
    )
    const answer = await fetch(`${gw.admin}/explain?${query.toString()}`)
    if (answer.status !== 200) throw new Error(await answer.text())
    return (await answer.json()) as Explanation
  }

  interface Row {
    readonly path: string
    readonly host?: string
    readonly method?: string
    readonly headers?: Record<string, string>
    readonly secure?: true
  }

  const rows: Row[] = [
    { path: '/exact' },
    { path: '/exact/' },
    { path: '/x/%2e%2e/exact?q=1' },
    { path: '/anything', headers: { 'end-user': 'jason' } },
    { path: '/anything', headers: { 'end-user': 'bob' } },
    { path: '/old/page' },
    { path: '/old/page', secure: true },
    { path: '/t42' },
    { path: '/t42', method: 'POST' },
    { path: '/t42x' },
    { path: '/?v=2' },
    { path: '/?v=1&v=2' },
    { path: '/empty' },
    { path: '/exact', host: 'x.wild.test' },
    { path: '/exact', host: 'wild.test' },
    { path: '/exact', host: 'A.TEST:80' },
    { path: '/exact', host: 'a.tset' },
    { path: '/a/..;x/b' },
    { path: '/exact', secure: true },
    { path: '/exact', headers: { bad_name: 'x' } },
    { path: '/exact', headers: { connection: 'upgrade', upgrade: 'strange' } },
  ]

  test.each(rows)('foretells %j', async ({ path, host = 'a.test', method, headers, secure }) => {
    const said = await explain({
      method: method ?? 'GET',
      url: `${secure === true ? 'https' : 'http'}://${host}${path}`,
      header: Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    })
    const got = await call({
      port: gw.port(secure === true ? 443 : 80),
      path,
      host,
      ...(method === undefined ? {} : { method }),
      headers: headers ?? {},
      ...(secure === true ? { ca: authority.certificate } : {}),
    })
    expect(said.live).toBe(true)
    expect(said.outcome.status ?? 200).toBe(got.status)
    expect(said.outcome.location).toBe(got.headers.location ?? null)
    if (said.outcome.type === 'forward') {
      expect(got.body).toBe(`web ${said.route?.forwardedAs?.target}`)
    }
  })

  test('names the listener by Gateway port and by the port it is bound to', async () => {
    const bound = gw.port(80)
    const said = await explain({ url: `http://a.test:${bound}/old`, header: 'host: a.test' })
    expect(said.outcome.status).toBe(302)
    expect(said.listener).toMatchObject({
      gatewayPorts: [80],
      addresses: [`127.0.0.1:${bound}`],
    })
  })

  test('tells the health of endpoints: what is ejected, and that nobody is left', async () => {
    const url = 'http://a.test/bad'
    const before = await explain({ url })
    expect(before.outcome.ok).toBe(true)
    expect(before.destinations[0]?.details?.endpoints[0]?.health).toBe('healthy')
    expect((await call({ port: gw.port(80), host: 'a.test', path: '/bad' })).status).toBe(500)
    const after = await explain({ url })
    expect(after.outcome).toMatchObject({ ok: false, status: 503, flag: 'UH' })
    const [endpoint] = after.destinations[0]?.details?.endpoints ?? []
    expect(endpoint).toMatchObject({ address: `127.0.0.1:${bad.port}`, health: 'ejected' })
    expect(endpoint?.returnsInMs).toBeGreaterThan(200_000)
    expect((await call({ port: gw.port(80), host: 'a.test', path: '/bad' })).status).toBe(503)
  })

  test('knows that this gateway has no egress proxy open', async () => {
    const said = await explain({ url: 'http://web:8080/', egress: 'true' })
    expect(said.outcome).toMatchObject({ ok: false, status: null })
    expect(said.outcome.hints.join()).toContain('--egress')
  })

  test('is text for people with format=text', async () => {
    const answer = await fetch(`${gw.admin}/explain?url=http://a.test/old&format=text`)
    expect(answer.headers.get('content-type')).toContain('text/plain')
    expect(await answer.text()).toMatch(/^=> 302 to http:\/\/other\.test\/new /)
  })

  test.each([
    ['', 'url is missing'],
    ['?url=ftp://a', 'ftp:// is no scheme'],
    ['?url=http://a.test/&port=99999', '"99999" is not a port'],
    ['?url=http://a.test/&method=G%20T', 'is not a method'],
    ['?url=http://a.test/&header=x', '"x" is not a header'],
    ['?url=http://a.test/&from=shop/nobody', 'there is no Pod shop/nobody'],
    ['?uri=http://a.test/', 'there is no parameter uri'],
  ])('%s is refused with what to write instead', async (query, message) => {
    const answer = await fetch(`${gw.admin}/explain${query}`)
    expect(answer.status).toBe(400)
    expect(await answer.text()).toContain(message)
  })

  test('never shows a key', async () => {
    const said = JSON.stringify(await explain({ url: 'https://a.test/exact' }))
    expect(said).toContain('kubernetes://istio-system/cert')
    expect(said).not.toContain('BEGIN')
  })

  describe('tidegate explain', () => {
    const run = (...args: string[]): Promise<CommandResult> => runCommand(['explain', ...args])
    const admin = (): string => gw.admin.replace('http://', '')

    test('asks files and a running gateway alike', async () => {
      const [files, running] = await Promise.all([
        run('-c', gw.folder, 'GET', 'http://a.test/t42', '-o', 'json'),
        run('--admin', admin(), 'GET', 'http://a.test/t42', '-o', 'json'),
      ])
      expect([files.code, running.code]).toEqual([0, 0])
      const offline = JSON.parse(files.stdout) as Explanation
      const online = JSON.parse(running.stdout) as Explanation
      expect([offline.live, online.live]).toEqual([false, true])
      expect(online.rules).toEqual(offline.rules)
      expect(online.outcome).toEqual(offline.outcome)
    })

    test('exits 1 for what would be refused, and prints why', async () => {
      const refused = await run('-c', gw.folder, 'POST', 'http://a.test/t42')
      expect(refused.code).toBe(1)
      expect(refused.stdout).toMatch(
        /^=> 404 NR: no rule for a\.test matches\n {3}near: VirtualService default\/main spec\.http\[2\]\.match\[0\] \(.*config\.yaml:\d+\): method is POST, exact GET asked\n/,
      )
    })

    test('exits 2 for a line that makes no sense, 3 where no gateway answers', async () => {
      const results = await Promise.all([
        run('GET', 'http://a.test/'),
        run('-c', '/nowhere', 'GET', 'http://a.test/'),
        run('--admin', admin(), 'GET', 'ftp://a.test/'),
        run('--admin', '127.0.0.1:1', 'GET', 'http://a.test/'),
      ])
      expect(results.map(({ code }) => code)).toEqual([2, 2, 2, 3])
      for (const { stderr } of results) {
        expect(stderr).toMatch(/^tidegate: .+\n {2}where: .+\n {2}what to do: .+\n$/)
      }
    })
  })
})

import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { call } from '../support/call.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startRedis } from '../support/redis.ts'
import { runCommand, serve } from '../support/command.ts'
import { startUpstream } from '../support/upstream.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const READING = [
  '/',
  '/ready',
  '/server_info',
  '/listeners',
  '/listeners?format=json',
  '/clusters',
  '/clusters?format=json',
  '/config_dump',
  '/certs',
  '/resources',
  '/problems',
  '/stats',
  '/stats/prometheus',
]

/** Makes distinct secrets and remembers them, in every form in which one could leak. */
class Secrets {
  readonly #planted = new Map<string, readonly string[]>()

  get size(): number {
    return this.#planted.size
  }

  /** A new secret text; `numeric` for one that YAML reads as a number. */
  plant(name: string, numeric = false): string {
    const text = numeric
      ? `7${randomBytes(4).readUInt32BE().toString().padStart(10, '3')}`
      : `s3cr3t-${randomBytes(9).toString('hex')}`
    this.#planted.set(name, [text, encode(text).replace(/=+$/, '').slice(0, -1)])
    return text
  }

  /** A PEM: each of its inner lines, and each line of its base64 form, is a secret. */
  plantPem(name: string, pem: string): string {
    const lines = pem.split('\n').filter((line) => line.length > 40)
    this.#planted.set(name, [...lines, encode(pem).slice(80, 140)])
    return encode(pem)
  }

  /** Names of the secrets that `output` shows. */
  shownIn(output: string): readonly string[] {
    return [...this.#planted]
      .filter(([, forms]) => forms.some((form) => output.includes(form)))
      .map(([name]) => name)
  }
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64')
}

function secret(name: string, fields: string): string {
  return `apiVersion: v1
kind: Secret
metadata: { name: ${name}, namespace: istio-system }
${fields}
---
`
}

/** Configuration in which everything that can hold a secret holds one. */
function configuration(secrets: Secrets, upstreamPort: number): Record<string, string> {
  const authority = Authority.create('test')
  const served = authority.issue(['tls.test'])
  const client = authority.issue(['client'])
  const wrong = authority.issue(['wrong'])
  const pem = (text: string): string => encode(text)
  const { plant, plantPem } = {
    plant: secrets.plant.bind(secrets),
    plantPem: secrets.plantPem.bind(secrets),
  }
  return {
    'secrets.yaml':
      secret(
        'served',
        `data: { tls.crt: ${pem(served.certificate)}, tls.key: ${plantPem('served key', served.key)} }`,
      ) +
      secret(
        'client',
        `data: { cert: ${pem(client.certificate)}, key: ${plantPem('client key', client.key)}, cacert: ${pem(authority.certificate)} }`,
      ) +
      secret(
        'mismatch',
        `data: { tls.crt: ${pem(served.certificate)}, tls.key: ${plantPem('key of another certificate', wrong.key)} }`,
      ) +
      secret('opaque', `data: { password: ${encode(plant('opaque data'))} }`) +
      secret('plain', `stringData: { password: ${plant('stringData')} }`) +
      secret('not-base64', `data: { password: "%${plant('data that is not base64')}" }`) +
      secret(
        'not-pem',
        `data: { tls.crt: ${encode('x')}, tls.key: ${encode(plant('key that is no PEM'))} }`,
      ),
    'broken-secrets.yaml':
      secret('text', `data: ${plant('data that is text')}`) +
      secret('list', `data: [${plant('data that is a list')}]`) +
      secret('nested', `data: { password: { inner: ${plant('nested data')} } }`) +
      secret('items', `data: { password: [${plant('list of data')}] }`) +
      secret('number', `stringData: { pin: ${plant('number', true)} }`) +
      secret('type', `type: [${plant('type')}]\ndata: {}`) +
      secret('field', `datas: { password: ${plant('misspelt field')} }`) +
      secret('labels', `data: {}\nimmutable: ${plant('immutable')}`),
    'syntax.yaml': `apiVersion: v1\nkind: Secret\nmetadata: { name: syntax }\ndata:\n  a: "${plant('unclosed quote')}\n  b: ]`,
    'duplicate.yaml': secret(
      'duplicate',
      `data: { password: ${encode(plant('first of two'))}, password: ${encode(plant('second of two'))} }`,
    ),
    'app.yaml':
      service('app', upstreamPort) +
      gateway('gw', ['app.test']) +
      virtualService(
        'app',
        ['app.test'],
        ['gw'],
        `  - match: [{ headers: { authorization: { exact: "${plant('matched authorization')}" } } }]
    directResponse: { status: 200, body: { string: "${plant('body of a direct response')}" } }
  - match: [{ queryParams: { api_token: { exact: "${plant('matched query parameter')}" } } }]
    route: [{ destination: { host: app } }]
  - headers:
      request: { set: { authorization: "Bearer ${plant('header to the upstream')}" } }
      response: { add: { set-cookie: "session=${plant('header to the client')}" } }
    route: [{ destination: { host: app } }]`,
      ) +
      `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: secure }
spec:
  servers:
  - { port: { number: 443, name: https, protocol: HTTPS }, hosts: [tls.test], tls: { mode: SIMPLE, credentialName: served } }
  - { port: { number: 443, name: https-2, protocol: HTTPS }, hosts: [mismatch.test], tls: { mode: SIMPLE, credentialName: mismatch } }
  - { port: { number: 443, name: https-3, protocol: HTTPS }, hosts: [nopem.test], tls: { mode: SIMPLE, credentialName: not-pem } }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: app }
spec: { host: app, trafficPolicy: { tls: { mode: DISABLE } } }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: bank, namespace: istio-system }
spec: { host: bank.test, trafficPolicy: { tls: { mode: MUTUAL, credentialName: client } } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: bank, namespace: istio-system }
spec: { hosts: [bank.test], resolution: STATIC, ports: [{ number: 80, name: http, protocol: HTTP }], endpoints: [{ address: 127.0.0.1 }] }
`,
  }
}

test('twenty-odd planted secrets show in no endpoint, no log and no report', async () => {
  const secrets = new Secrets()
  await using upstream = await startUpstream('app')
  await using redis = await startRedis({ password: secrets.plant('Redis password') })
  const files = configuration(secrets, upstream.port)
  using folder = new TemporaryFolder(files)
  expect(secrets.size).toBeGreaterThanOrEqual(20)
  // The search finds every one of them where it stands.
  expect(secrets.shownIn([...Object.values(files), redis.url].join('\n'))).toHaveLength(
    secrets.size,
  )

  await using serving = await serve(
    [
      '-c',
      folder.path,
      '--listen',
      '80=127.0.0.1:0',
      '--listen',
      '443=127.0.0.1:0',
      '--egress',
      '127.0.0.1:0',
      '--drain-delay',
      '0s',
      '--log-level',
      'trace',
    ],
    { env: { TIDEGATE_REDIS: redis.url } },
  )
  const sent = {
    authorization: `Bearer ${secrets.plant("a client's authorization")}`,
    cookie: `session=${secrets.plant("a client's cookie")}`,
  }
  const port = serving.port('*:80')
  expect((await call({ port, host: 'app.test', headers: sent })).status).toBe(200)
  await call({
    port: serving.port('egress'),
    path: 'http://nobody.test/',
    host: 'nobody.test',
    headers: { ...sent, 'proxy-authorization': `Basic ${secrets.plant('a proxy password')}` },
  })
  const garbage = connect(port, '127.0.0.1')
  garbage.end(
    `GET / HTTP/1.1\r\nhost: app.test\r\nauthorization : ${secrets.plant('a malformed field')}\r\n\r\n`,
  )
  for await (const _chunk of garbage.resume()) break
  garbage.destroy()

  const admin = `http://${serving.ready.admin}`
  for (const path of READING) {
    const response = await fetch(admin + path)
    expect([path, response.status]).toEqual([path, 200])
    expect([path, secrets.shownIn(await response.text())]).toEqual([path, []])
  }
  const info = await (await fetch(`${admin}/server_info`)).text()
  expect(info).toContain(`127.0.0.1:${redis.port}`)
  // The dump does show what is not secret.
  const dump = await (await fetch(`${admin}/config_dump`)).text()
  expect(dump).toContain('kubernetes://istio-system/served')
  expect(dump).toContain('authorization')
  const problems = await (await fetch(`${admin}/problems`)).text()
  expect(problems).toContain('secret-invalid')

  await fetch(`${admin}/reload`, { method: 'POST' })
  await redis.stop()
  await serving.untilLogged(/Redis at .* is not available/)
  serving.signal('SIGTERM')
  const { code, stdout, stderr } = await serving.exit()
  expect(code).toBe(0)
  expect(secrets.shownIn(stdout)).toEqual([])
  expect(secrets.shownIn(stderr)).toEqual([])

  for (const output of ['table', 'json', 'yaml']) {
    const report = await runCommand(['validate', folder.path, '-o', output])
    expect(report.code).toBe(1)
    expect([output, secrets.shownIn(report.stdout + report.stderr)]).toEqual([output, []])
  }
}, 60_000)

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Explanation } from '../../src/explain/explanation.ts'
import { runCommand } from '../support/command.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { gateway, virtualService } from '../support/yaml.ts'

/** A Gateway host, an entry for egress clients, who they are, and an EnvoyFilter that asks a service. */
const YAML = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web }
spec:
  hosts: [web.test]
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints: [{ address: 10.0.0.1 }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop-only, namespace: shop }
spec: { hosts: [web.test], exportTo: ["."], http: [{ directResponse: { status: 299 } }] }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: mutual }
spec:
  servers:
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: [mutual.test]
    tls: { mode: ISTIO_MUTUAL }
---
apiVersion: v1
kind: Pod
metadata: { name: till, namespace: shop }
status: { podIP: 10.1.0.1 }
---
apiVersion: v1
kind: Secret
metadata: { name: users, namespace: istio-system }
stringData: { users: "shop/ci:secret" }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "outboundTrafficPolicy: { mode: REGISTRY_ONLY }" }
---
${gateway('gw', ['a.test'])}${virtualService(
  'vs',
  ['a.test', 'mutual.test'],
  ['gw', 'mutual'],
  '  - route: [{ destination: { host: web.test } }]',
)}`

let folder: TemporaryFolder
beforeAll(() => {
  folder = new TemporaryFolder({ 'config/mesh.yaml': YAML })
})
afterAll(() => folder[Symbol.dispose]())

/** Commands take seconds to start on a busy machine. */
const TIMEOUT_MS = 60_000

async function explain(line: string, ...more: string[]): Promise<Explanation> {
  const args = ['explain', '-c', folder.join('config'), '-o', 'json', ...line.split(' '), ...more]
  const { stdout, stderr } = await runCommand(args)
  expect(stdout, stderr).not.toBe('')
  return JSON.parse(stdout) as Explanation
}

const BASIC = `Proxy-Authorization: Basic ${Buffer.from('shop/ci:secret').toString('base64')}`

const cases: [
  line: string,
  more: string[],
  status: number | null,
  flagged: string,
  flag: string[],
][] = [
  ['GET http://a.test/', ['-H', 'a_b: c'], 400, 'forward', ['--limit', 'header-underscores=allow']],
  ['--egress GET http://web.test/', [], null, '403', ['--egress-unknown-clients', 'refuse']],
  ['--egress GET http://nobody.test/', [], 502, 'passthrough', ['--egress-mode', 'report']],
  [
    '--egress GET http://web.test/',
    ['-H', BASIC],
    null,
    '299',
    ['--egress-users', 'users', '--egress-unknown-clients', 'refuse'],
  ],
  [
    '--egress GET http://web.test/',
    [],
    null,
    '407',
    ['--egress-users', 'istio-system/users', '--egress-unknown-clients', 'refuse'],
  ],
  [
    '--egress GET http://127.0.0.1:9/',
    ['--egress-mode', 'report'],
    403,
    'passthrough',
    ['--egress-allow', '127.0.0.0/8'],
  ],
  [
    '--egress CONNECT 10.0.0.7:443',
    ['--egress-mode', 'report'],
    403,
    'tunnel',
    ['--egress-allow', '10.0.0.7'],
  ],
  [
    '--egress GET http://web.test/ --from shop/till',
    [],
    299,
    '299',
    ['--limit', 'egress-connect-ports=any'],
  ],
]

test.each(cases)(
  'explain %s %j: %s; %s with %j',
  async (line, more, status, flagged, flag) => {
    const [plain, other] = await Promise.all([
      explain(line, ...more),
      explain(line, ...more, ...flag),
    ])
    expect(plain.outcome.status).toBe(status)
    const { status: given, type } = other.outcome
    expect(given === null ? type : String(given)).toBe(flagged)
  },
  TIMEOUT_MS,
)

test(
  '--mesh-certs: the files that ISTIO_MUTUAL is served with',
  async () => {
    const { tls } = await explain('GET https://mutual.test/', '--mesh-certs', '/run/identity')
    expect(tls?.certificates).toEqual(['file:///run/identity/cert-chain.pem'])
  },
  TIMEOUT_MS,
)

test(
  'the flags that run, explain, limit explain and test share are the same',
  async () => {
    const shared = async (...verb: string[]): Promise<string[]> => {
      const { stdout } = await runCommand([...verb, '--help'])
      const lines = stdout.replaceAll(/\n {20,}/g, ' ').split('\n')
      return lines
        .map((line) => line.trim().replaceAll(/ +/g, ' '))
        .filter((line) => /^--(?!egress |admin)/.test(line))
    }
    const [run, ...others] = await Promise.all([
      shared('run'),
      shared('explain'),
      shared('limit', 'explain'),
      shared('test'),
    ])
    const names = [
      'limit',
      'mesh-certs',
      'mesh-config',
      'egress-mode',
      'egress-unknown-clients',
      'egress-users',
      'labels',
      'locality',
      'trusted-proxy',
      'rate-limit-config',
      'rate-limit-mode',
      'compat',
    ]
    for (const name of names) {
      const line = run.find((one) => one.startsWith(`--${name} `))
      expect(line, name).toBeDefined()
      for (const other of others) expect(other).toContain(line)
    }
  },
  TIMEOUT_MS,
)

test(
  'test takes them too, and they win over what the case file says',
  async () => {
    folder.write(
      'cases.yaml',
      `configuration: [config]
namespace: nowhere
cases:
- name: an odd header
  request: { url: http://a.test/, headers: { a_b: c } }
  expect: { cluster: "outbound|80||web.test" }
- name: nobody is known
  request: { url: http://web.test/, egress: true }
  expect: { status: 403 }
`,
    )
    const run = async (...flags: string[]) => {
      const { code, stdout } = await runCommand(['test', folder.join('cases.yaml'), ...flags])
      return [code, /\d+ passed, \d+ failed/.exec(stdout)?.[0]]
    }
    expect(await run()).toEqual([1, '0 passed, 2 failed'])
    const flags = ['--limit', 'header-underscores=allow', '--egress-unknown-clients', 'refuse']
    expect(await run(...flags)).toEqual([0, '2 passed, 0 failed'])
  },
  TIMEOUT_MS,
)

test(
  'a value that is none is a usage error of its flag',
  async () => {
    const wrong = [
      ['--limit', 'no-such-limit=1'],
      ['--egress-mode', 'watch'],
      ['--egress-unknown-clients', 'ask'],
      ['--rate-limit-mode', 'sometimes'],
    ] as const
    const args = ['explain', '-c', folder.join('config'), 'GET', 'http://a.test/']
    await Promise.all(
      wrong.map(async ([flag, value]) => {
        const { code, stderr } = await runCommand([...args, flag, value])
        expect([flag, code]).toEqual([flag, 2])
        expect(stderr).toContain(flag)
      }),
    )
  },
  TIMEOUT_MS,
)

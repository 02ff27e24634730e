import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Explanation } from '../../src/explain/explanation.ts'
import { runCommand } from '../support/command.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { gateway, virtualService } from '../support/yaml.ts'

const entry = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web }
spec:
  hosts: [web.test]
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints: [{ address: 10.0.0.1, locality: eu/a }, { address: 10.0.0.2, locality: us/b }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec:
  host: web.test
  trafficPolicy:
    loadBalancer: { localityLbSetting: { enabled: true } }
    outlierDetection: { consecutive5xxErrors: 3, maxEjectionPercent: 50 }
---
`

let folder: TemporaryFolder
beforeAll(() => {
  folder = new TemporaryFolder({
    'web.yaml':
      entry +
      gateway('gw', ['a.test']) +
      virtualService('vs', ['a.test'], ['gw'], '  - route: [{ destination: { host: web.test } }]'),
  })
})
afterAll(() => folder[Symbol.dispose]())

async function explain(...flags: string[]): Promise<Explanation> {
  const args = ['explain', '-c', folder.path, 'GET', 'http://a.test/', '-o', 'json', ...flags]
  const { code, stdout, stderr } = await runCommand(args)
  expect([code, stderr]).toEqual([0, ''])
  return JSON.parse(stdout) as Explanation
}

/** Commands take seconds to start on a busy machine. */
const TIMEOUT_MS = 60_000
const CALL = ['--from', '192.0.2.1', '-H', 'x-forwarded-for: 203.0.113.5']

test.each([
  ['nobody is trusted', [], '192.0.2.1'],
  ['one of two covers it', ['10.0.0.0/8', '192.0.2.1'], '203.0.113.5'],
  ['another is trusted', ['198.51.100.0/24'], '192.0.2.1'],
])(
  '--trusted-proxy: %s',
  async (_name, trusted, client) => {
    const flags = trusted.flatMap((cidr) => ['--trusted-proxy', cidr])
    expect((await explain(...CALL, ...flags)).request?.clientAddress).toBe(client)
  },
  TIMEOUT_MS,
)

test.each([
  ['eu/a', { '10.0.0.1:80': 0, '10.0.0.2:80': 1 }],
  ['us/b', { '10.0.0.1:80': 1, '10.0.0.2:80': 0 }],
  [null, { '10.0.0.1:80': 0, '10.0.0.2:80': 0 }],
])(
  '--locality %s: endpoints have the failover level that they have from there',
  async (own, levels) => {
    const { destinations } = await explain(...(own === null ? [] : ['--locality', own]))
    const endpoints = destinations.flatMap(({ details }) => details?.endpoints ?? [])
    expect(
      Object.fromEntries(endpoints.map(({ address, priority }) => [address, priority])),
    ).toEqual(levels)
  },
  TIMEOUT_MS,
)

test(
  'the text names failover levels; what is no flag value is said',
  async () => {
    const args = ['explain', '-c', folder.path, 'GET', 'http://a.test/']
    const { stdout } = await runCommand([...args, '--locality', 'eu/a'])
    expect(stdout).toMatch(/endpoint +10\.0\.0\.2:80 {2}us\/b {2}failover level 1\n/)
    expect(stdout).toMatch(/endpoint +10\.0\.0\.1:80 {2}eu\/a\n/)
    for (const [flag, value] of [
      ['--locality', 'eu//a'],
      ['--trusted-proxy', 'everybody'],
    ] as const) {
      const refused = await runCommand([...args, flag, value])
      expect([flag, refused.code]).toEqual([flag, 2])
      expect(refused.stderr).toContain(flag)
    }
  },
  TIMEOUT_MS,
)

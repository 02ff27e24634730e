import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decisions } from '../../src/cli/egress-ledger-reader.ts'
import { runProgram } from '../support/command.ts'
import { EGRESS_CLIENTS } from '../support/egress-clients.ts'
import { type EgressSites, startEgressSites } from '../support/egress-sites.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'

const REGISTRY_ONLY = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "outboundTrafficPolicy: { mode: REGISTRY_ONLY }" }
---
`

let folder: TemporaryFolder
let sites: EgressSites
beforeAll(async () => {
  folder = new TemporaryFolder()
  sites = await startEgressSites(folder)
})
afterAll(async () => {
  await sites[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

function start(ledger: string): Promise<TestGateway> {
  return startGateway(REGISTRY_ONLY + sites.declarations, {
    ports: [],
    egressProxy: true,
    egressLedger: { path: ledger, maxBytes: 1e9 },
  })
}

/** `verdict kind host:port` of each decision, once. */
async function decided(ledger: string): Promise<string[]> {
  const found = new Set<string>()
  for await (const { verdict, kind, host, port } of decisions([ledger], { unreadable: 0 })) {
    found.add(`${verdict} ${kind} ${host}:${port}`)
  }
  return [...found]
}

describe('clients that people have reach declared hosts and nothing else', () => {
  test.each(EGRESS_CLIENTS.map((client) => [client.name, client] as const))(
    '%s',
    async (name, client) => {
      const ledger = folder.join(`${name.replaceAll(/\W+/g, '-')}.jsonl`)
      {
        await using gw = await start(ledger)
        const { caFile } = sites
        const printed = await client.run({ egressPort: gw.egressPort, caFile, folder })
        expect(printed.endsWith(client.prints), printed).toBe(true)
      }
      expect(await decided(ledger)).toEqual([`allowed ${client.asks}`])
    },
    60_000,
  )
})

describe('an undeclared host is refused in a way that each client understands', () => {
  const CASES: [name: string, program: string, args: string[], code: number, said: RegExp][] = [
    ['curl, HTTP', 'curl', ['-q', '-sS', '--fail', 'http://other.test/'], 22, /502/],
    ['curl, HTTPS', 'curl', ['-q', '-sS', 'https://other.test/'], 56, /502/],
    ['wget, HTTP', 'wget', ['--no-config', '-t1', '-O-', 'http://other.test/'], 8, /502/],
    ['wget, HTTPS', 'wget', ['--no-config', '-t1', '-O-', 'https://other.test/'], 4, /Bad Gateway/],
    ['git', 'git', ['ls-remote', 'https://other.test/x.git'], 128, /502/],
  ]
  test.each(CASES)('%s', async (name, program, args, code, said) => {
    const ledger = folder.join(`refused-${name.replaceAll(/\W+/g, '-')}.jsonl`)
    {
      await using gw = await start(ledger)
      const proxy = `http://127.0.0.1:${gw.egressPort}`
      const env = { http_proxy: proxy, https_proxy: proxy, GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' }
      const ended = await runProgram(program, args, { env })
      expect([ended.code, ended.stderr]).toEqual([code, expect.stringMatching(said)])
    }
    expect(await decided(ledger)).toEqual([
      expect.stringMatching(/^blocked (http|connect) other\.test:(80|443)$/),
    ])
  })

  test('curl, SOCKS', async () => {
    const ledger = folder.join('refused-socks.jsonl')
    {
      await using gw = await start(ledger)
      const env = { ALL_PROXY: `socks5h://127.0.0.1:${gw.egressPort}` }
      const ended = await runProgram('curl', ['-q', '-sS', 'https://other.test/'], { env })
      // 2 is RFC 1928's "connection not allowed by ruleset".
      expect([ended.code, ended.stderr]).toEqual([97, expect.stringMatching(/\(2\)/)])
    }
    expect(await decided(ledger)).toEqual(['blocked socks other.test:443'])
  })
})

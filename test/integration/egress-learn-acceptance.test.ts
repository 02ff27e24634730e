import { once } from 'node:events'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { decisions, type Decision } from '../../src/cli/egress-ledger-reader.ts'
import { runCommand } from '../support/command.ts'
import { type DnsServer, startDnsServer } from '../support/dns-server.ts'
import {
  askEgress,
  type EgressAsk,
  EGRESS_WAYS,
  type EgressWayName,
} from '../support/egress-asks.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

const TIMEOUT_MS = 120_000
const ASKS = 160
const CONCURRENCY = 12
const REDIRECTOR = '127.0.0.9'
const CONTROL = { reportOnly: false, refuseUnknown: false, users: null }

interface Client {
  /** As the ledger names it; '' is unknown. */
  readonly id: string
  readonly address: string
  /** `way host` of everything it does. */
  readonly does: readonly (readonly [EgressWayName, string])[]
}

const CLIENTS: readonly Client[] = [
  {
    id: 'shop/till',
    address: '127.0.0.2',
    does: [
      ['http', 'cdn.shop.test'],
      ['connect', 'api.pay.test'],
      ['socks', 'queue.shop.test'],
      ['tls', 'login.pay.test'],
      ['http', 'time.test'],
    ],
  },
  {
    id: 'shop/web',
    address: '127.0.0.3',
    does: [
      ['connect', 'cdn.shop.test'],
      ['tls', 'cdn.shop.test'],
      ['http', 'api.pay.test'],
      ['tls', 'fonts.test'],
    ],
  },
  {
    id: 'data/etl',
    address: '127.0.0.4',
    does: [
      ['connect', 'warehouse.test'],
      ['tls', 'warehouse.test'],
      ['socks', 'warehouse.test'],
      ['http', 'time.test'],
    ],
  },
  {
    id: 'ops/agent',
    address: '127.0.0.5',
    does: [
      ['socks', 'logs.test'],
      ['tls', 'metrics.test'],
      ['connect', 'time.test'],
    ],
  },
  {
    id: '',
    address: '127.0.0.6',
    does: [
      ['http', 'free.test'],
      ['connect', 'free.test'],
      ['socks', 'other.test'],
      ['tls', 'open.test'],
    ],
  },
]

const HOSTS = [...new Set(CLIENTS.flatMap(({ does }) => does.map(([, host]) => host)))]
const UNDECLARED = ['evil.test', 'sub.api.pay.test']

let folder: TemporaryFolder
let plain: Upstream
let secure: { readonly port: number; close(): Promise<void> }
let dns: DnsServer
const authority = Authority.create('outside')

beforeAll(async () => {
  folder = new TemporaryFolder()
  plain = await startUpstream('passed')
  secure = await secureSite()
  const names = [...HOSTS, ...UNDECLARED]
  dns = await startDnsServer(Object.fromEntries(names.map((name) => [name, { a: ['127.0.0.1'] }])))
})
afterAll(async () => {
  await dns[Symbol.asyncDispose]()
  await secure.close()
  await plain[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

async function secureSite(): Promise<typeof secure> {
  const { certificate: cert, key } = authority.issueEcdsa([...HOSTS, ...UNDECLARED])
  const server = createSecureServer({ cert, key }, (_request, response) => response.end('passed'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

function cluster(): string {
  const pods = CLIENTS.filter(({ id }) => id !== '').map(({ id, address }) => {
    const [namespace, name] = id.split('/')
    return `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace} }
status: { podIP: ${address} }
---
`
  })
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    outboundTrafficPolicy: { mode: REGISTRY_ONLY }
    defaultConfig: { gatewayTopology: { proxyProtocol: {} } }
---
${pods.join('')}`
}

function start(
  files: Record<string, string>,
  ledger: string,
  options: TestGatewayOptions = {},
): Promise<TestGateway> {
  return startGateway(files, {
    ports: [],
    egressProxy: true,
    resolvers: [dns.address],
    trustedProxies: [`${REDIRECTOR}/32`],
    egressLedger: { path: ledger, maxBytes: 1e9 },
    ...options,
  })
}

const portOf = (way: EgressWayName): number =>
  way === 'connect' || way === 'tls' ? secure.port : plain.port

function asksOf({ address, does }: Client): EgressAsk[] {
  return does.map(([way, host]) => ({ way, host, port: portOf(way), client: address }))
}

/** Everything once, then whatever chance picks. */
function traffic(seed: number): EgressAsk[] {
  const random = seededRandom(seed)
  const all = CLIENTS.flatMap(asksOf)
  const more = Array.from(
    { length: ASKS - all.length },
    () => all[Math.floor(random() * all.length)]!,
  )
  return [...all, ...more]
}

/** How each ended, in their order. */
async function send(gw: TestGateway, asks: readonly EgressAsk[]): Promise<string[]> {
  const setting = {
    egressPort: gw.egressPort,
    ca: authority.certificate,
    redirector: REDIRECTOR,
  }
  const ended: string[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < asks.length) {
      const at = next++
      ended[at] = await askEgress(setting, asks[at]!)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, worker))
  await waitFor('all to end', () => gw.gateway.activeExchanges === 0)
  return ended
}

/** Client, way, host and port: what a decision or an ask is about. */
const nameOf = (ask: EgressAsk): string => {
  const { id } = CLIENTS.find(({ address }) => address === ask.client)!
  return `${id} ${ask.way} ${ask.host}:${ask.port}`
}
const decidedName = ({ client, kind, host, port }: Decision): string =>
  `${client} ${kind} ${host}:${port}`

async function linesOf(ledger: string): Promise<Decision[]> {
  const found: Decision[] = []
  for await (const line of decisions([ledger], { unreadable: 0 })) found.push(line)
  return found
}

/** What nobody did while it was recorded, and who would ask for it. */
function elsewhere(perNamespace: boolean): EgressAsk[] {
  const namespaceOf = ({ id }: Client): string => id.split('/')[0]!
  return CLIENTS.flatMap((client) => {
    const usedHere = new Set(
      CLIENTS.filter((other) => namespaceOf(other) === namespaceOf(client)).flatMap(({ does }) =>
        does.map(([, host]) => host),
      ),
    )
    const othersHosts = perNamespace ? HOSTS.filter((host) => !usedHere.has(host)) : []
    const at = { client: client.address }
    return [
      ...[...UNDECLARED, ...othersHosts].flatMap((host) =>
        EGRESS_WAYS.map((way) => ({ way, host, port: portOf(way), ...at })),
      ),
      // A host of its own, on a port that nobody asked it for.
      ...EGRESS_WAYS.map((way) => ({ way, host: client.does[0]![1], port: 81, ...at })),
    ]
  })
}

let reported: string
beforeAll(async () => {
  reported = folder.join('reported.jsonl')
  await using gw = await start({ 'cluster.yaml': cluster() }, reported, {
    egressAllow: ['127.0.0.1'],
    egressControl: { ...CONTROL, reportOnly: true },
  })
  const asks = traffic(1)
  expect(new Set(await send(gw, asks))).toEqual(new Set(['passed']))
}, TIMEOUT_MS)

test('report mode lets everything pass and records each ask as what it was', async () => {
  const lines = await linesOf(reported)
  expect(lines.map(decidedName).toSorted()).toEqual(traffic(1).map(nameOf).toSorted())
  expect(new Set(lines.map(({ verdict }) => verdict))).toEqual(new Set(['would-block']))
})

describe.each([
  ['one list for all', [] as string[]],
  ['a Sidecar for each namespace', ['--per-namespace']],
])('learned: %s', (name, flags) => {
  test(
    'the same traffic has no denial; everything else is refused, named and counted',
    async () => {
      const learned = await runCommand(['egress', 'learn', ...flags, reported])
      expect(learned).toMatchObject({ code: 0, stderr: '' })
      const files = { 'cluster.yaml': cluster(), 'learned.yaml': learned.stdout }
      const ledger = folder.join(`enforced-${flags.length}.jsonl`)
      const others = elsewhere(flags.length > 0)
      {
        await using gw = await start(files, ledger)
        expect(new Set(await send(gw, traffic(2)))).toEqual(new Set(['passed']))
        const ended = await send(gw, others)
        expect(ended.filter((end) => !end.startsWith('refused'))).toEqual([])
        const admin = gw.admin.replace('http://', '')
        const told = await runCommand([
          'egress',
          'blocked',
          '--admin',
          admin,
          '--top',
          '256',
          '-o',
          'json',
        ])
        expect(told.code).toBe(0)
        for (const { host, client, port } of others) {
          const { id } = CLIENTS.find(({ address }) => address === client)!
          expect([name, host, told.stdout.includes(`"${host}"`)]).toEqual([name, host, true])
          expect(told.stdout).toContain(id === '' ? client : id)
          expect(told.stdout).toContain(String(port))
        }
      }
      const lines = await linesOf(ledger)
      const denied = lines.filter(isDenied)
      expect(lines).toHaveLength(ASKS + others.length)
      expect(new Set(denied.map(({ verdict }) => verdict))).toEqual(new Set(['blocked']))
      expect(denied.map(decidedName).toSorted()).toEqual(others.map(nameOf).toSorted())
      // What other namespaces declare is hidden, by exportTo or by the Sidecar; the rest is unknown.
      const declared = new Set(traffic(1).map(({ host, port }) => `${host}:${port}`))
      const foreign = others.filter(({ host, port }) => declared.has(`${host}:${port}`))
      const hidden = denied.filter(({ hiddenBy }) => hiddenBy !== '')
      expect(hidden.map(decidedName).toSorted()).toEqual(foreign.map(nameOf).toSorted())
      expect(foreign.length > 0).toBe(flags.length > 0)
      expect(await runCommand(['egress', 'verify', ledger])).toMatchObject({ code: 0 })
    },
    TIMEOUT_MS,
  )
})

function isDenied({ verdict }: Decision): boolean {
  return verdict !== 'allowed'
}

import { once } from 'node:events'
import { connect as connectSecure } from 'node:tls'
import { expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { decisions } from '../../src/cli/egress-ledger-reader.ts'
import type { EgressActivity } from '../../src/telemetry/egress-watch.ts'
import { metricOf } from '../support/admin-view.ts'
import { startDnsServer } from '../support/dns-server.ts'
import { callProxy, openTunnel, refusedTunnel } from '../support/egress.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { openSocks } from '../support/socks.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

const OPEN = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "outboundTrafficPolicy: { mode: ALLOW_ANY }" }
---
apiVersion: v1
kind: Pod
metadata: { name: till, namespace: shop }
status: { podIP: 127.0.0.1 }
---
`

function secureEntry(targetPort: number): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: harmless }
spec:
  hosts: [harmless.test]
  resolution: STATIC
  ports: [{ number: 443, name: tls, protocol: TLS, targetPort: ${targetPort} }]
  endpoints: [{ address: 127.0.0.1 }]
`
}

/** 169.254.169.254 as various parsers read it. */
const METADATA = [
  '169.254.169.254',
  '2852039166',
  '0xa9fea9fe',
  '0251.0376.0251.0376',
  '169.254.43518',
  '169.16689662',
  '[::ffff:169.254.169.254]',
  '[64:ff9b::a9fe:a9fe]',
]

/** Refused, and never passed on: what each attack asks for, as the ledger names it. */
type Named = `${string} ${string}:${number}`

async function rebinding(gw: TestGateway, port: number, turn: () => void): Promise<Named[]> {
  const ask = async (): Promise<number> =>
    (await callProxy(gw.egressPort, `http://rebound.test:${port}/`)).status
  expect(await ask()).toBe(200)
  turn()
  await waitFor('the new answer', async () => (await ask()) === 403)
  const { reply } = await openSocks(gw.egressPort, { host: 'rebound.test', port })
  expect(reply).toBe(2)
  return [`http rebound.test:${port}`, `socks rebound.test:${port}`]
}

async function metadata(gw: TestGateway): Promise<Named[]> {
  const named: Named[] = []
  for (const host of METADATA) {
    expect([host, (await callProxy(gw.egressPort, `http://${host}/latest/`)).status]).toEqual([
      host,
      403,
    ])
    expect([host, (await refusedTunnel(gw.egressPort, `${host}:443`)).status]).toEqual([host, 403])
    const bare = host.replace(/^\[|\]$/g, '')
    named.push(`http ${bare}:80`, `connect ${bare}:443`)
  }
  return named
}

async function ownPorts(gw: TestGateway, adminPort: number): Promise<Named[]> {
  const hosts = ['localhost', '127.0.0.1', '127.1', '[::1]']
  const named: Named[] = []
  for (const host of hosts) {
    for (const port of [15_000, adminPort]) {
      const { status } = await refusedTunnel(gw.egressPort, `${host}:${port}`)
      expect([host, port, status]).toEqual([host, port, 403])
      named.push(`connect ${host.replace(/^\[|\]$/g, '')}:${port}`)
    }
  }
  return named
}

/** CONNECT for one site, the TLS inside for another of the same address. */
async function fronting(gw: TestGateway): Promise<Named[]> {
  const { status, socket } = await openTunnel(gw.egressPort, 'harmless.test:443')
  expect(status).toBe(200)
  const secure = connectSecure({ socket, servername: 'fronted.test' })
  const [error] = (await once(secure, 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ERR_SSL_TLSV1_UNRECOGNIZED_NAME')
  return ['connect harmless.test:443']
}

test('rebinding, cloud metadata, own ports and fronting are refused, named and counted', async () => {
  await using harmless = await startUpstream('harmless', '127.0.0.2')
  await using inner = await startUpstream('inner', '127.0.0.1', harmless.port)
  const pair = Authority.create('test').issue(['harmless.test', 'fronted.test'])
  await using site = await startTlsBackend('site', pair)
  // 127.0.0.2 plays an address outside.
  await using dns = await startDnsServer({
    'rebound.test': { a: ['127.0.0.2'], ttl: 0 },
    localhost: { a: ['127.0.0.1'] },
  })
  using folder = new TemporaryFolder()
  const ledger = folder.join('egress.jsonl')
  const named = new Set<Named>()
  {
    await using gw = await startGateway(OPEN + secureEntry(site.port), {
      ports: [],
      egressProxy: true,
      resolvers: [dns.address],
      egressAllow: ['127.0.0.2'],
      egressLedger: { path: ledger, maxBytes: 1e9 },
      limits: new Map([['egress-connect-ports', 'any']] as const),
    })
    const adminPort = Number(new URL(gw.admin).port)
    const turn = (): void => void dns.records.set('rebound.test', { a: ['127.0.0.1'], ttl: 0 })
    for (const attack of [
      await rebinding(gw, harmless.port, turn),
      await metadata(gw),
      await ownPorts(gw, adminPort),
      await fronting(gw),
    ]) {
      for (const name of attack) named.add(name)
    }
    await waitFor('all to end', () => gw.gateway.activeExchanges === 0)
    expect([inner.seen, site.seen]).toEqual([[], []])

    const { refused } = (await (await fetch(`${gw.admin}/egress`)).json()) as EgressActivity
    const pairs = new Set([...named].map((name) => name.slice(name.indexOf(' ') + 1)))
    expect(new Set(refused.map(({ host, port }) => `${host}:${port}`))).toEqual(pairs)
    expect(new Set(refused.map(({ client }) => client))).toEqual(new Set(['shop/till']))
    const counted = refused.reduce((sum, { count }) => sum + count, 0)
    const labels = { verdict: 'guarded', client_namespace: 'shop' }
    expect(await metricOf(gw, 'tidegate_egress_decisions_total', labels)).toBe(counted)
  }
  const lines = new Set<string>()
  for await (const line of decisions([ledger], { unreadable: 0 })) {
    if (line.verdict !== 'guarded') continue
    lines.add(`${line.kind} ${line.host}:${line.port}`)
    expect(line.client).toBe('shop/till')
  }
  expect([...lines].toSorted()).toEqual([...named].toSorted())
})

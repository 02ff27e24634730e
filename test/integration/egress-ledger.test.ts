import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { decisions, type Decision } from '../../src/cli/egress-ledger-reader.ts'
import { resourcesFor, yamlOf } from '../../src/cli/egress-learn.ts'
import { SeenTraffic } from '../../src/cli/egress-seen.ts'
import { checkLedgers } from '../../src/cli/egress-verify.ts'
import type { EgressActivity } from '../../src/telemetry/egress-watch.ts'
import { metricOf } from '../support/admin-view.ts'
import { type DnsServer, startDnsServer } from '../support/dns-server.ts'
import { callProxy, openTunnel, refusedTunnel } from '../support/egress.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts'
import { openSocks } from '../support/socks.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { service } from '../support/yaml.ts'

const CONTROL = { reportOnly: false, refuseUnknown: false, users: null }

function mesh(mode: 'ALLOW_ANY' | 'REGISTRY_ONLY'): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "outboundTrafficPolicy: { mode: ${mode} }" }
---
`
}

function pod(namespace: string, name: string, address: string, labels = '{}'): string {
  return `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: ${labels} }
spec: { serviceAccountName: ${name}-account }
status: { podIP: ${address} }
---
`
}

/** Everything is at home on this machine. */
async function outside(names: readonly string[]): Promise<DnsServer> {
  return startDnsServer(Object.fromEntries(names.map((name) => [name, { a: ['127.0.0.1'] }])))
}

function start(
  yaml: string,
  dns: DnsServer,
  ledger: string,
  options: TestGatewayOptions = {},
): Promise<TestGateway> {
  return startGateway(yaml, {
    ports: [],
    egressProxy: true,
    resolvers: [dns.address],
    egressAllow: ['127.0.0.1'],
    egressLedger: { path: ledger, maxBytes: 1 << 30 },
    ...options,
  })
}

async function linesOf(ledger: string): Promise<Decision[]> {
  const found: Decision[] = []
  for await (const line of decisions([ledger], { unreadable: 0 })) found.push(line)
  return found
}

const shown = ({ kind, host, port, verdict, client }: Decision): string =>
  `${kind} ${host}:${port} ${verdict} ${client}`

async function tunnel(port: number, authority: string): Promise<number> {
  const { status, socket } = await openTunnel(port, authority)
  socket.destroy()
  return status
}

/** 200 for an open tunnel, else the reply of RFC 1928 6. */
async function socks(proxy: number, host: string, port: number): Promise<number> {
  const { reply, socket } = await openSocks(proxy, { host, port })
  socket.destroy()
  return reply === 0 ? 200 : reply
}

test('report, learn, enforce: the same traffic passes and nothing else does', async () => {
  await using web = await startUpstream('web')
  await using shop = await startUpstream('shop')
  await using dns = await outside(['api.test', 'cdn.test', 'db.test', 'queue.test', 'evil.test'])
  using folder = new TemporaryFolder()
  const yaml = mesh('REGISTRY_ONLY') + pod('shop', 'till', '127.0.0.1') + service('shop', shop.port)
  const at = (host: string): string => `${host}:${web.port}`
  const traffic = async (gw: TestGateway): Promise<readonly number[]> => [
    (await callProxy(gw.egressPort, `http://${at('api.test')}/secret?token=1`)).status,
    (await callProxy(gw.egressPort, `http://${at('CDN.test')}/`, { method: 'POST', body: 'x' }))
      .status,
    await tunnel(gw.egressPort, at('api.test')),
    await tunnel(gw.egressPort, at('db.test')),
    await socks(gw.egressPort, 'queue.test', web.port),
    (await callProxy(gw.egressPort, `http://${at('127.0.0.1')}/`)).status,
    (await callProxy(gw.egressPort, 'http://shop:8080/')).status,
  ]

  const reported = folder.join('reported.jsonl')
  {
    await using gw = await start(yaml, dns, reported, {
      egressControl: { ...CONTROL, reportOnly: true },
    })
    expect(await traffic(gw)).toEqual([200, 200, 200, 200, 200, 200, 200])
    // The guard is no policy: it refuses in report mode too.
    expect((await callProxy(gw.egressPort, 'http://169.254.169.254/')).status).toBe(403)
    const exposition = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
    expect(exposition).toContain('tidegate_egress_report_mode 1\n')
    await waitFor('the tunnels to end', () => gw.gateway.activeExchanges === 0)
    const dump: unknown = await (await fetch(`${gw.admin}/config_dump?resource=egress`)).json()
    expect(dump).toMatchObject({ egress: { policy: 'REGISTRY_ONLY', mode: 'report' } })
  }
  const seen = await linesOf(reported)
  expect(seen.map(shown).toSorted()).toEqual(
    [
      `http api.test:${web.port} would-block shop/till`,
      `http cdn.test:${web.port} would-block shop/till`,
      `connect api.test:${web.port} would-block shop/till`,
      `connect db.test:${web.port} would-block shop/till`,
      `socks queue.test:${web.port} would-block shop/till`,
      `http 127.0.0.1:${web.port} would-block shop/till`,
      'http shop:8080 allowed shop/till',
      'http 169.254.169.254:80 guarded shop/till',
    ].toSorted(),
  )
  expect(seen.find(({ host }) => host === 'shop')).toMatchObject({
    declaredAs: 'default/shop.default.svc.cluster.local',
    ruleAt: expect.stringMatching(/config\.yaml:\d+$/) as string,
    cluster: 'outbound|8080||shop.default.svc.cluster.local',
    serviceAccount: 'till-account',
    resolved: `127.0.0.1:${shop.port}`,
  })
  expect(readFileSync(reported, 'utf8')).not.toMatch(/secret|token/)

  const learned = new SeenTraffic()
  for (const line of seen) learned.add(line)
  for (const perNamespace of [false, true]) {
    const layout = { namespace: 'istio-system', perNamespace, wildcards: null }
    const files = { 'config.yaml': yaml, 'learned.yaml': yamlOf(resourcesFor(learned, layout)) }
    const enforced = folder.join(`enforced-${perNamespace}.jsonl`)
    {
      await using gw = await startGateway(files, {
        ports: [],
        egressProxy: true,
        resolvers: [dns.address],
        egressLedger: { path: enforced, maxBytes: 1 << 30 },
      })
      expect(await traffic(gw)).toEqual([200, 200, 200, 200, 200, 200, 200])
      expect((await callProxy(gw.egressPort, `http://${at('evil.test')}/`)).status).toBe(502)
      expect((await refusedTunnel(gw.egressPort, 'api.test:443')).status).toBe(502)
      await waitFor('the tunnels to end', () => gw.gateway.activeExchanges === 0)
    }
    const verdicts = (await linesOf(enforced)).filter(({ verdict }) => verdict !== 'allowed')
    expect(verdicts.map(shown)).toEqual([
      `http evil.test:${web.port} blocked shop/till`,
      'connect api.test:443 blocked shop/till',
    ])
    expect(await checkLedgers([enforced], [])).toMatchObject({ findings: [], decisions: 9 })
  }
})

test('/egress, metrics and the ledger name who was refused what, and what would allow it', async () => {
  await using dns = await outside([])
  using folder = new TemporaryFolder()
  const ledger = folder.join('egress.jsonl')
  {
    await using gw = await start(
      mesh('REGISTRY_ONLY') + pod('shop', 'till', '127.0.0.1'),
      dns,
      ledger,
    )
    for (const name of ['a.test', 'b.test', 'b.test']) {
      await callProxy(gw.egressPort, `http://${name}/`, {
        headers: { 'x-forwarded-for': '10.9.9.9' },
      })
    }
    const activity = (await (await fetch(`${gw.admin}/egress`)).json()) as EgressActivity
    expect(activity).toMatchObject({ mode: 'enforce', ledger: { path: ledger, lost: 0 } })
    expect(activity.refused).toMatchObject([
      { host: 'b.test', port: 80, client: 'shop/till', verdict: 'blocked', count: 2 },
      { host: 'a.test', count: 1, remedy: expect.stringContaining('ServiceEntry') as string },
    ])
    expect(activity.recent.map(({ host }) => host)).toEqual(['b.test', 'b.test', 'a.test'])
    const labels = { verdict: 'blocked', kind: 'http', client_namespace: 'shop', client_by: 'pod' }
    expect(await metricOf(gw, 'tidegate_egress_decisions_total', labels)).toBe(3)
    const exposition = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
    expect(exposition).not.toContain('b.test')
  }
  expect(await checkLedgers([ledger], [])).toMatchObject({ findings: [], decisions: 3 })
})

describe('clients', () => {
  const secret = `apiVersion: v1
kind: Secret
metadata: { name: users, namespace: istio-system }
stringData:
  users: |
    shop/till:open sesame
    billing/robot:sha256:${'5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8'}
---
`
  const basic = (text: string): Record<string, string> => ({
    'proxy-authorization': `Basic ${Buffer.from(text).toString('base64')}`,
  })

  test('are known by credentials, which go nowhere else', async () => {
    await using web = await startUpstream('web')
    await using dns = await outside(['api.test'])
    using folder = new TemporaryFolder()
    const ledger = folder.join('egress.jsonl')
    const cases: readonly [headers: Record<string, string>, status: number][] = [
      [basic('shop/till:open sesame'), 200],
      [basic('billing/robot:password'), 200],
      [basic('billing/robot:Password'), 407],
      [basic('nobody:password'), 407],
      [basic('shop/till'), 407],
      [{ 'proxy-authorization': 'Bearer open sesame' }, 407],
      [{}, 407],
      [{ 'x-forwarded-for': '10.0.0.1', 'x-forwarded-client-cert': 'URI=spiffe://x' }, 407],
    ]
    {
      await using gw = await start(
        mesh('ALLOW_ANY') + secret + pod('x', 'y', '10.0.0.1'),
        dns,
        ledger,
        {
          egressControl: { ...CONTROL, refuseUnknown: true, users: 'istio-system/users' },
        },
      )
      const url = `http://api.test:${web.port}/`
      for (const [headers, status] of cases) {
        const answer = await callProxy(gw.egressPort, url, { headers })
        expect([headers, answer.status]).toEqual([headers, status])
        if (status === 407) expect(answer.headers['proxy-authenticate']).toMatch(/^Basic /)
      }
      expect((await refusedTunnel(gw.egressPort, `api.test:${web.port}`)).status).toBe(407)
    }
    expect(web.seen.map(({ headers }) => headers['proxy-authorization'])).toEqual([
      undefined,
      undefined,
    ])
    const lines = await linesOf(ledger)
    expect(lines.map(({ client, clientNamespace }) => `${client} ${clientNamespace}`)).toEqual([
      'shop/till shop',
      'billing/robot billing',
      ...Array.from({ length: 7 }, () => ' '),
    ])
    expect(readFileSync(ledger, 'utf8')).not.toMatch(/sesame|password/i)
  })

  test('that nothing identifies may be refused', async () => {
    await using dns = await outside(['api.test'])
    using folder = new TemporaryFolder()
    await using gw = await start(mesh('ALLOW_ANY'), dns, folder.join('egress.jsonl'), {
      egressControl: { ...CONTROL, refuseUnknown: true },
    })
    const answer = await callProxy(gw.egressPort, 'http://api.test/')
    expect(answer.status).toBe(403)
    expect(answer.body).toContain('127.0.0.1')
  })

  test('see what their Sidecar imports: the same URL passes for one and is 403 for the other', async () => {
    await using web = await startUpstream('web')
    await using dns = await outside([])
    using folder = new TemporaryFolder()
    const sidecar = (
      name: string,
      selector: string,
      hosts: string,
    ): string => `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: ${name}, namespace: shop }
spec:
  workloadSelector: { labels: { app: ${selector} } }
  egress: [{ hosts: [${hosts}] }]
  outboundTrafficPolicy: { mode: REGISTRY_ONLY }
---
`
    const yaml = [
      mesh('ALLOW_ANY'),
      service('web', web.port),
      pod('shop', 'one', '127.0.0.2', '{ app: one }'),
      pod('shop', 'two', '127.0.0.3', '{ app: two }'),
      pod('shop', 'three', '127.0.0.4', '{ app: three }'),
      sidecar('one', 'one', '"default/*"'),
      sidecar('two', 'two', '"*/*", "~default/web.default.svc.cluster.local"'),
    ].join('')
    const ledger = folder.join('egress.jsonl')
    {
      await using gw = await start(yaml, dns, ledger)
      const ask = (from: string, url = 'http://web:8080/') =>
        callProxy(gw.egressPort, url, { localAddress: from })
      expect((await ask('127.0.0.2')).status).toBe(200)
      const refused = await ask('127.0.0.3')
      expect(refused.status).toBe(403)
      expect(refused.body).toContain('Sidecar shop/two')
      expect((await ask('127.0.0.4')).status).toBe(200)
      // The Sidecar's policy is not the mesh's.
      expect((await ask('127.0.0.2', 'http://nobody.test/')).status).toBe(502)
      expect((await ask('127.0.0.4', 'http://nobody.test/')).status).toBe(503)
    }
    expect(
      (await linesOf(ledger)).map(({ client, verdict, hiddenBy }) => [client, verdict, hiddenBy]),
    ).toEqual([
      ['shop/one', 'allowed', ''],
      ['shop/two', 'blocked', 'shop/two'],
      ['shop/three', 'allowed', ''],
      ['shop/one', 'blocked', ''],
      ['shop/three', 'passthrough', ''],
    ])
  })
})

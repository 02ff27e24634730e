import { describe, expect, test } from 'vitest'
import { clusterOf, metricOf } from '../support/admin-view.ts'
import { startDnsServer } from '../support/dns-server.ts'
import { callProxy, openTunnel, refusedTunnel } from '../support/egress.ts'
import { startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { service } from '../support/yaml.ts'

const EGRESS = { ports: [], egressProxy: true } as const

/** `host client cluster status details` for each request. */
function mesh(mode: 'ALLOW_ANY' | 'REGISTRY_ONLY'): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    outboundTrafficPolicy: { mode: ${mode} }
    accessLogFile: /dev/stdout
    accessLogFormat: "%REQ(:METHOD)% %REQ(:AUTHORITY)% from %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% to %UPSTREAM_CLUSTER% %RESPONSE_CODE%"
---
`
}

describe('REGISTRY_ONLY', () => {
  test('blocks what nobody declared, and says so to the client, in the metrics and in the access log', async () => {
    await using web = await startUpstream('web')
    await using dns = await startDnsServer({ 'www.example.test': { a: ['127.0.0.1'] } })
    await using gw = await startGateway(mesh('REGISTRY_ONLY') + service('web', web.port), {
      ...EGRESS,
      resolvers: [dns.address],
    })
    const reason = (host: string, port: number): string =>
      `egress to ${host}:${port} is blocked: no Service, ServiceEntry or VirtualService declares ` +
      `this host on port ${port} and outboundTrafficPolicy is REGISTRY_ONLY\n`

    expect(await callProxy(gw.egressPort, 'http://www.example.test/secret?x=1')).toMatchObject({
      status: 502,
      body: reason('www.example.test', 80),
    })
    expect(await callProxy(gw.egressPort, 'http://web:9999/')).toMatchObject({
      status: 502,
      body: reason('web', 9999),
    })
    expect(
      await callProxy(gw.egressPort, 'http://www.example.test/', {
        method: 'POST',
        body: 'upload',
      }),
    ).toMatchObject({ status: 502 })
    expect(await refusedTunnel(gw.egressPort, 'www.example.test:443')).toEqual({
      status: 502,
      body: reason('www.example.test', 443),
    })
    expect(dns.questions).toEqual([])

    const labels = {
      reporter: 'source',
      destination_service: 'unknown',
      destination_service_name: 'BlackHoleCluster',
    }
    const counted = (status: string): Promise<number> =>
      metricOf(gw, 'istio_requests_total', { ...labels, response_code: status })
    expect(await counted('502')).toBe(4)
    await waitFor('the access log', () => gw.accessLog().split('\n').length > 4)
    expect(gw.accessLog().trimEnd().split('\n')).toEqual([
      'GET www.example.test from 127.0.0.1 to BlackHoleCluster 502',
      'GET web:9999 from 127.0.0.1 to BlackHoleCluster 502',
      'POST www.example.test from 127.0.0.1 to BlackHoleCluster 502',
      'CONNECT www.example.test:443 from 127.0.0.1 to BlackHoleCluster 502',
    ])
    const exposition = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
    expect(exposition).not.toContain('www.example.test')
  })

  test('a refused upload does not break the connection for the next request', async () => {
    await using web = await startUpstream('web')
    await using gw = await startGateway(mesh('REGISTRY_ONLY') + service('web', web.port), EGRESS)
    const { status } = await callProxy(gw.egressPort, 'http://nobody.test/', {
      method: 'POST',
      body: 'x'.repeat(2_000_000),
    })
    expect(status).toBe(502)
    expect((await callProxy(gw.egressPort, 'http://web:8080/')).body).toBe('web')
  })
})

describe('ALLOW_ANY', () => {
  test('reaches what nobody declared, as PassthroughCluster in metrics and access log', async () => {
    await using web = await startUpstream('outside')
    await using dns = await startDnsServer({ 'www.example.test': { a: ['127.0.0.1'] } })
    await using gw = await startGateway(mesh('ALLOW_ANY'), {
      ...EGRESS,
      resolvers: [dns.address],
      egressAllow: ['127.0.0.0/8'],
    })
    const authority = `www.example.test:${web.port}`
    expect(await callProxy(gw.egressPort, `http://${authority}/page`)).toMatchObject({
      status: 200,
      body: 'outside',
    })
    expect(web.seen[0]).toMatchObject({ url: '/page', headers: { host: authority } })
    const { status, socket } = await openTunnel(gw.egressPort, authority)
    expect(status).toBe(200)
    socket.destroy()
    await waitFor('the tunnel to end', () => gw.gateway.activeExchanges === 0)
    const { endpoints } = await clusterOf(gw, 'PassthroughCluster')
    expect(endpoints.map(({ address }) => address)).toEqual([`127.0.0.1:${web.port}`])
    const labels = { destination_service_name: 'PassthroughCluster', response_code: '200' }
    expect(await metricOf(gw, 'istio_requests_total', labels)).toBe(2)
    await waitFor('the access log', () => gw.accessLog().split('\n').length > 2)
    expect(gw.accessLog().trimEnd().split('\n')).toEqual([
      `GET ${authority} from 127.0.0.1 to PassthroughCluster 200`,
      `CONNECT ${authority} from 127.0.0.1 to PassthroughCluster 200`,
    ])
  })

  test('names that do not exist and ports where nobody listens are 503', async () => {
    const gone = await startUpstream('')
    const { port } = gone
    await gone[Symbol.asyncDispose]()
    await using dns = await startDnsServer({ 'here.test': { a: ['127.0.0.1'] } })
    await using gw = await startGateway(mesh('ALLOW_ANY'), {
      ...EGRESS,
      resolvers: [dns.address],
      egressAllow: ['127.0.0.0/8'],
    })
    expect((await callProxy(gw.egressPort, `http://nowhere.test/`)).status).toBe(503)
    expect((await callProxy(gw.egressPort, `http://here.test:${port}/`)).status).toBe(503)
    expect((await refusedTunnel(gw.egressPort, 'nowhere.test:443')).status).toBe(503)
    expect((await refusedTunnel(gw.egressPort, `here.test:${port}`)).status).toBe(503)
  })
})

describe('addresses an unknown host may not lead to', () => {
  /** Everything that means this machine, its link or a cloud's metadata service. */
  const HOSTS: readonly string[] = [
    '127.0.0.1',
    '127.1.2.3',
    'localhost',
    'LOCALHOST.',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::127.0.0.1]',
    '[64:ff9b::127.0.0.1]',
    '[2002:7f00:1::]',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '017700000001',
    '0177.0.0.1',
    '127.1',
    '169.254.169.254',
    '169.254.170.2',
    '[::ffff:169.254.169.254]',
    '[fe80::1]',
    '[fd00:ec2::254]',
    '100.100.100.200',
    '168.63.129.16',
    '224.0.0.1',
    '255.255.255.255',
    'loop.test',
    'loop6.test',
    'mapped.test',
    'metadata.test',
  ]

  test('are refused with 403 for requests and tunnels, and nothing is dialled', async () => {
    await using web = await startUpstream('reached', '0.0.0.0')
    let connections = 0
    web.server.on('connection', () => connections++)
    await using dns = await startDnsServer({
      localhost: { a: ['127.0.0.1'] },
      'loop.test': { a: ['127.0.0.1'] },
      'loop6.test': { aaaa: ['::1'] },
      'mapped.test': { aaaa: ['::ffff:127.0.0.1'] },
      'metadata.test': { a: ['169.254.169.254'] },
    })
    await using gw = await startGateway(mesh('ALLOW_ANY'), {
      ...EGRESS,
      resolvers: [dns.address],
    })
    for (const host of HOSTS) {
      const authority = `${host}:${web.port}`
      const { status, body } = await callProxy(gw.egressPort, `http://${authority}/`)
      const tunnel = await refusedTunnel(gw.egressPort, authority)
      expect([host, status, tunnel.status]).toEqual([host, 403, 403])
      expect(body).toMatch(/^egress to .* is refused: .*--egress-allow\n$/)
      expect(tunnel.body).toBe(body)
    }
    expect(connections).toBe(0)
    const labels = { destination_service_name: 'BlackHoleCluster', response_code: '403' }
    expect(await metricOf(gw, 'istio_requests_total', labels)).toBe(2 * HOSTS.length)
  })

  test('are refused when a name that was harmless turns to them, whatever was cached or pooled', async () => {
    await using web = await startUpstream('reached')
    await using dns = await startDnsServer({ 'rebound.test': { a: ['127.0.0.2'], ttl: 1 } })
    await using inner = await startUpstream('inner', '127.0.0.2')
    await using gw = await startGateway(mesh('ALLOW_ANY'), {
      ...EGRESS,
      resolvers: [dns.address],
      // 127.0.0.2 plays the harmless address.
      egressAllow: ['127.0.0.2'],
    })
    const ask = (port: number) => callProxy(gw.egressPort, `http://rebound.test:${port}/`)
    expect((await ask(inner.port)).body).toBe('inner')
    dns.records.set('rebound.test', { a: ['127.0.0.1'] })
    await waitFor('the new address', async () => (await ask(inner.port)).status === 403)
    expect((await ask(web.port)).status).toBe(403)
    expect(web.seen).toHaveLength(0)
  })

  test('of a name with several addresses only the allowed ones are dialled', async () => {
    await using web = await startUpstream('allowed', '127.0.0.2')
    await using dns = await startDnsServer({
      'mixed.test': { a: ['127.0.0.1', '169.254.169.254', '127.0.0.2'] },
    })
    await using gw = await startGateway(mesh('ALLOW_ANY'), {
      ...EGRESS,
      resolvers: [dns.address],
      egressAllow: ['127.0.0.2/32'],
    })
    const answer = await callProxy(gw.egressPort, `http://mixed.test:${web.port}/`)
    expect(answer.body).toBe('allowed')
  })

  test('may be allowed with --egress-allow, or by declaring the host', async () => {
    await using web = await startUpstream('reached')
    await using dns = await startDnsServer({ 'loop.test': { a: ['127.0.0.1'] } })
    const declared = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: loop }
spec: { hosts: [loop.test], resolution: NONE, ports: [{ number: ${web.port}, name: http, protocol: HTTP }] }
---
`
    const resolvers = [dns.address]
    {
      await using gw = await startGateway(mesh('ALLOW_ANY'), {
        ...EGRESS,
        resolvers,
        egressAllow: ['127.0.0.1', '::1'],
      })
      for (const host of ['127.0.0.1', '[::ffff:127.0.0.1]', 'loop.test']) {
        const { body } = await callProxy(gw.egressPort, `http://${host}:${web.port}/`)
        expect([host, body]).toEqual([host, 'reached'])
      }
      expect((await callProxy(gw.egressPort, 'http://169.254.169.254/')).status).toBe(403)
    }
    await using gw = await startGateway(mesh('ALLOW_ANY') + declared, { ...EGRESS, resolvers })
    expect((await callProxy(gw.egressPort, `http://loop.test:${web.port}/`)).body).toBe('reached')
    expect((await callProxy(gw.egressPort, `http://127.0.0.1:${web.port}/`)).status).toBe(403)
  })

  test('include the proxy itself: a request to its own port does not go round in circles', async () => {
    await using gw = await startGateway(mesh('ALLOW_ANY'), EGRESS)
    const { status } = await callProxy(gw.egressPort, `http://127.0.0.1:${gw.egressPort}/`)
    expect(status).toBe(403)
  })
})

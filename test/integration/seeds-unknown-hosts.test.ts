import { describe, expect, test } from 'vitest'
import { metricOf } from '../support/admin-view.ts'
import { startDnsServer } from '../support/dns-server.ts'
import { callProxy, openTunnel, refusedTunnel } from '../support/egress.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { RawSocket } from '../support/raw-socket.ts'
import { seedFixture } from '../support/seed-fixture.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

const CLIENT = '127.0.0.9'

function logged(gw: TestGateway, ...parts: readonly string[]): Promise<boolean> {
  const hasLine = (): boolean =>
    gw
      .accessLog()
      .split('\n')
      .some((line) => parts.every((part) => line.includes(part)))
  return waitFor(`a line with ${parts.join(', ')} in ${gw.accessLog()}`, hasLine)
}

function counted(gw: TestGateway, cluster: string, status: string): Promise<number> {
  const labels = { destination_service_name: cluster, response_code: status }
  return metricOf(gw, 'istio_requests_total', labels)
}

describe('S25 hosts that nobody declared', () => {
  test('under ALLOW_ANY are passed, as PassthroughCluster in metrics and logs', async () => {
    await using dns = await startDnsServer({ 'elsewhere.test': { a: ['127.0.0.1'] } })
    await using web = await startUpstream('elsewhere')
    const yaml = seedFixture('s25-policy', { mode: 'ALLOW_ANY' })
    const options = { egressProxy: true, resolvers: [dns.address], egressAllow: ['127.0.0.0/8'] }
    await using gw = await startGateway(yaml, options)
    const host = `elsewhere.test:${web.port}`
    const from = { localAddress: CLIENT }
    const answer = await callProxy(gw.egressPort, `http://${host}/`, from)
    expect(answer).toMatchObject({ status: 200, body: 'elsewhere' })
    expect(await counted(gw, 'PassthroughCluster', '200')).toBe(1)
    await logged(gw, '"GET / HTTP/1.1" 200', host, ' PassthroughCluster ', ` ${CLIENT}:`)

    const { status, socket } = await openTunnel(gw.egressPort, host)
    expect(status).toBe(200)
    const inside = new RawSocket(socket)
    socket.resume()
    inside.write(`GET /inside HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)
    expect(await inside.untilEnd()).toContain('elsewhere')
    inside.destroy()
    await logged(gw, '"CONNECT ', host, ' PassthroughCluster ', ' 127.0.0.1:')
  })

  test('under REGISTRY_ONLY are blocked, as BlackHoleCluster, with host and client in the log', async () => {
    await using dns = await startDnsServer({ 'elsewhere.test': { a: ['127.0.0.1'] } })
    const yaml = seedFixture('s25-policy', { mode: 'REGISTRY_ONLY' })
    await using gw = await startGateway(yaml, { egressProxy: true, resolvers: [dns.address] })
    const url = 'http://elsewhere.test/secret'
    const answer = await callProxy(gw.egressPort, url, { localAddress: CLIENT })
    expect(answer.status).toBe(502)
    expect(answer.body).toContain('egress to elsewhere.test:80 is blocked')
    expect(answer.body).toContain('REGISTRY_ONLY')
    expect(await counted(gw, 'BlackHoleCluster', '502')).toBe(1)
    await logged(
      gw,
      '"GET /secret HTTP/1.1" 502',
      'elsewhere.test',
      ' BlackHoleCluster ',
      ` ${CLIENT}:`,
    )

    const refused = await refusedTunnel(gw.egressPort, 'elsewhere.test:443')
    expect(refused.status).toBe(502)
    expect(refused.body).toContain('egress to elsewhere.test:443 is blocked')
    expect(await counted(gw, 'BlackHoleCluster', '502')).toBe(2)
    await logged(
      gw,
      '"CONNECT ',
      ' 502 ',
      'elsewhere.test:443',
      ' BlackHoleCluster ',
      ' 127.0.0.1:',
    )
    expect(dns.questions).toEqual([])
  })

  test('no label takes the host of a request', async () => {
    const yaml = seedFixture('s25-policy', { mode: 'REGISTRY_ONLY' })
    await using gw = await startGateway(yaml, { egressProxy: true })
    await callProxy(gw.egressPort, 'http://of-a-stranger.test/')
    const metrics = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
    expect(metrics).toContain('BlackHoleCluster')
    expect(metrics).not.toContain('of-a-stranger')
  })
})

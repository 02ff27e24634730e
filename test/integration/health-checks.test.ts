import { describe, expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, virtualService } from '../support/yaml.ts'

const CHECK = 'tidegate.dev/health-check'
const FAST = 'http path=/healthz interval=100ms timeout=1s healthy=1 unhealthy=1'

/** Answers `name`, and its health checks with what `status` says just then. */
function backend(name: string, status: { now: number }): Promise<Upstream> {
  return startUpstream((request, response) => {
    if (request.url === '/healthz') response.statusCode = status.now
    response.end(name)
  })
}

function config(ports: readonly number[], service: string, rule = ''): string {
  const endpoints = ports.map((port) => `{ address: 127.0.0.1, ports: { http: ${port} } }`)
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web${service === '' ? '' : `, annotations: { ${CHECK}: "${service}" }`} }
spec:
  hosts: [web.test]
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints: [${endpoints.join(', ')}]
---
${gateway('gw', ['shop.test'])}${virtualService('web', ['shop.test'], ['gw'], '  - route: [{ destination: { host: web.test } }]')}${rule}`
}

const rule = (annotation: string): string => `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web, annotations: { ${CHECK}: "${annotation}" } }
spec: { host: web.test, trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } } }
---
`

const ask = (gw: TestGateway) => call({ port: gw.port(80), host: 'shop.test' })

const described = (gw: TestGateway) =>
  gw.gateway.describeClusters().find(({ name }) => name.includes('web.test'))!

describe('tidegate.dev/health-check', () => {
  test('takes an endpoint out of the balancing and brings it back', async () => {
    const status = { now: 200 }
    await using one = await backend('one', status)
    await using two = await backend('two', { now: 200 })
    const yaml = config([one.port, two.port], FAST)
    await using gw = await startGateway(yaml, { ports: [80] })
    status.now = 500
    await waitFor('one to go', () => described(gw).endpoints.some((e) => e.health === 'unhealthy'))
    for (let i = 0; i < 6; i++) expect((await ask(gw)).body).toBe('two')
    const text = await (await fetch(`${gw.admin}/clusters`)).text()
    expect(text).toContain(`127.0.0.1:${one.port}::health_flags::/failed_active_hc`)
    expect(text).toContain(`127.0.0.1:${one.port}::health_check_failure::status 500`)
    expect(text).toContain(`127.0.0.1:${two.port}::health_flags::healthy`)
    const metrics = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
    expect(metrics).toMatch(/envoy_cluster_health_check_failure\{[^}]*web\.test[^}]*\} [1-9]/)
    expect(metrics).toMatch(/envoy_cluster_membership_healthy\{[^}]*web\.test[^}]*\} 1/)
    status.now = 200
    await waitFor('one to return', async () => (await ask(gw)).body === 'one')
  })

  test('on a DestinationRule goes before that of the service; off means none', async () => {
    await using one = await backend('one', { now: 500 })
    const yaml = config([one.port], FAST, rule('off'))
    await using gw = await startGateway(yaml, { ports: [80] })
    expect((await ask(gw)).status).toBe(200)
    expect(described(gw)).toMatchObject({
      endpoints: [{ healthCheck: null }],
      counters: { health_check_attempt: 0 },
    })
    gw.write('config.yaml', config([one.port], 'tcp', rule(FAST)))
    await gw.reload()
    await waitFor('no endpoint', async () => (await ask(gw)).status === 503)
  })

  test('that cannot be read is a finding, and nothing is checked', async () => {
    await using one = await backend('one', { now: 500 })
    const yaml = config([one.port], 'http path=healthz')
    await using gw = await startGateway(yaml, { ports: [80] })
    expect((await ask(gw)).status).toBe(200)
    const problems = await (await fetch(`${gw.admin}/problems`)).text()
    expect(problems).toContain('health-check-invalid')
    expect(problems).toContain('path=healthz is no path')
  })
})

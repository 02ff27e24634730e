import { describe, expect, test } from 'vitest'
import { configDump, problemsOf } from '../support/admin-view.ts'
import { call } from '../support/call.ts'
import { startGateway } from '../support/gateway.ts'
import { seedFixture } from '../support/seed-fixture.ts'
import { startUpstream } from '../support/upstream.ts'
import { workload } from '../support/workload.ts'

const PORTS = [8081, 8082, 8083]

describe('S13 a Gateway whose selector is not ours', () => {
  test('opens no listener and is named with both label sets', async () => {
    const labels = [{ istio: 'ingressgateway' }]
    await using gw = await startGateway(seedFixture('s13-selectors'), { labels, ports: PORTS })
    expect(gw.gateway.boundListeners.map((bound) => bound.gatewayPorts)).toEqual([[8082], [8083]])
    const ignored = await problemsOf(gw, 'gateway-ignored')
    expect(ignored).toMatchObject([
      { severity: 'warning', kind: 'Gateway', name: 'own-controller' },
    ])
    expect(ignored[0]?.message).toBe(
      'gateway ignored: selector app=my-gateway-controller vs own labels istio=ingressgateway',
    )
  })

  test('is served by a process that carries its label too', async () => {
    await using web = await startUpstream('web')
    const yaml = seedFixture('s13-selectors') + workload('web-svc', 'web', { port: web.port })
    const labels = [{ istio: 'ingressgateway' }, { app: 'my-gateway-controller' }]
    await using gw = await startGateway(yaml, { labels, ports: PORTS })
    expect((await call({ port: gw.port(8081), host: 'own.test' })).body).toBe('web')
    expect((await call({ port: gw.port(8082), host: 'ingress.test' })).body).toBe('web')
    expect(await problemsOf(gw, 'gateway-ignored')).toEqual([])
  })
})

describe('S14 a Gateway without selector', () => {
  test('is served whatever the own labels are, and the finding says it selects all', async () => {
    await using web = await startUpstream('web')
    const yaml = seedFixture('s13-selectors') + workload('web-svc', 'web', { port: web.port })
    await using gw = await startGateway(yaml, { labels: [{ app: 'else' }], ports: PORTS })
    expect(gw.gateway.boundListeners.map((bound) => bound.gatewayPorts)).toEqual([[8083]])
    expect((await call({ port: gw.port(8083), host: 'everywhere.test' })).body).toBe('web')
    const [finding] = await problemsOf(gw, 'gateway-selects-all')
    expect(finding).toMatchObject({ severity: 'info', name: 'everywhere' })
  })
})

describe('S15 Gateway ports 80 and 8080 behind the Service of the gateway', () => {
  interface RouteTable {
    readonly name: string
    readonly virtualHosts: readonly { readonly name: string; readonly domains: readonly string[] }[]
  }

  const LABELS = [{ app: 'istio-ingressgateway', istio: 'ingressgateway' }]

  test('are one listener with one route table', async () => {
    await using calc = await startUpstream('calc')
    const yaml = seedFixture('s15-ports') + workload('calcclient', 'calc', { port: calc.port })
    await using gw = await startGateway(yaml, { labels: LABELS, ports: [8080] })
    expect(gw.gateway.boundListeners.map((bound) => bound.gatewayPorts)).toEqual([[80, 8080]])
    for (const host of ['calcclient.com', 'calcclient.org']) {
      expect(await call({ port: gw.port(8080), path: '/calc', host })).toMatchObject({
        body: 'calc',
      })
    }
    const tables = (await configDump(gw, 'routes')) as RouteTable[]
    expect(tables.map((table) => table.name)).toEqual(['http.8080'])
    expect(tables[0]?.virtualHosts.flatMap((host) => host.domains).toSorted()).toEqual([
      'calcclient.com',
      'calcclient.org',
    ])
    const listeners = (await configDump(gw, 'listeners')) as { targetPort: number }[]
    expect(listeners.map((listener) => listener.targetPort)).toEqual([8080])
  })

  test('without such a Service each number is a listener of its own', async () => {
    const yaml = seedFixture('s15-ports').replace('app: istio-ingressgateway', 'app: other')
    await using gw = await startGateway(yaml, { labels: LABELS, ports: [80, 8080] })
    expect(gw.gateway.boundListeners.map((bound) => bound.gatewayPorts)).toEqual([[80], [8080]])
    const tables = (await configDump(gw, 'routes')) as RouteTable[]
    expect(tables.map((table) => table.name)).toEqual(['http.80', 'http.8080'])
  })
})

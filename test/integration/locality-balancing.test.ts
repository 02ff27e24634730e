import { describe, expect, test } from 'vitest'
import { clusterOf } from '../support/admin-view.ts'
import { startGateway } from '../support/gateway.ts'
import { countBodies, sendMany, sigmasFrom } from '../support/traffic.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { gateway, virtualService } from '../support/yaml.ts'

const CLUSTER = 'outbound|80||web.test'
const HERE = 'eu/a/r1'

interface Placed {
  readonly port: number
  readonly locality: string
}

function config(endpoints: readonly Placed[], policy: string): string {
  const list = endpoints.map(
    ({ port, locality }) =>
      `{ address: 127.0.0.1, ports: { http: ${port} }, locality: ${locality} }`,
  )
  return `${gateway('edge', ['*'])}${virtualService(
    'web',
    ['*'],
    ['edge'],
    '  - { retries: { attempts: 0 }, route: [{ destination: { host: web.test } }] }',
  )}apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web }
spec:
  hosts: [web.test]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [${list.join(', ')}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec: { host: web.test, trafficPolicy: { ${policy} } }
`
}

const EJECT_AT_ONCE =
  'outlierDetection: { consecutive5xxErrors: 1, baseEjectionTime: 60s, maxEjectionPercent: 100 }'

/** Answers its name, or 500 while it is `broken`. */
async function startNamed(name: string): Promise<{ broken: boolean; upstream: Upstream }> {
  const state = { broken: false }
  const upstream = await startUpstream((_request, response) => {
    response.statusCode = state.broken ? 500 : 200
    response.end(name)
  })
  return Object.assign(state, { upstream })
}

describe('locality failover over real sockets', () => {
  test('the near zone serves until it fails, then the next nearest; /clusters tells when it returns', async () => {
    const near = await startNamed('near')
    const zone = await startNamed('zone')
    const far = await startNamed('far')
    await using _near = near.upstream
    await using _zone = zone.upstream
    await using _far = far.upstream
    const endpoints = [
      { port: far.upstream.port, locality: 'us/a/r1' },
      { port: near.upstream.port, locality: HERE },
      { port: zone.upstream.port, locality: 'eu/b/r1' },
    ]
    const yaml = config(endpoints, EJECT_AT_ONCE)
    await using gw = await startGateway(yaml, { ports: [80], locality: HERE })
    const bodies = async (count: number): Promise<Map<string, number>> =>
      countBodies(await sendMany({ port: gw.port(80), count, url: '/' }))

    expect(await bodies(30)).toEqual(new Map([['near', 30]]))
    near.broken = true
    await bodies(1)
    expect(await bodies(30)).toEqual(new Map([['zone', 30]]))
    zone.broken = true
    await bodies(1)
    expect(await bodies(30)).toEqual(new Map([['far', 30]]))

    const key = `127.0.0.1:${near.upstream.port}`
    const { endpoints: shown } = await clusterOf(gw, CLUSTER)
    const ejected = shown.find(({ address }) => address === key)
    expect(ejected).toMatchObject({ health: 'ejected', priority: 0 })
    expect(ejected!.returnsInMs).toBeGreaterThan(30_000)
    expect(ejected!.returnsInMs).toBeLessThanOrEqual(60_000)
    const text = await (await fetch(`${gw.admin}/clusters`)).text()
    expect(text).toMatch(new RegExp(`^.*::${key}::returns_in_ms::\\d+$`, 'm'))
    expect(text).toContain(`${CLUSTER}::${key}::zone::a\n`)

    // The ejections belong to the addresses, not to the configuration that named them.
    gw.write('config.yaml', yaml.replace('60s', '61s'))
    await gw.reload()
    expect(await bodies(10)).toEqual(new Map([['far', 10]]))
  })

  test('without --locality everybody is used alike, and /problems says why', async () => {
    await using one = await startUpstream('one')
    await using two = await startUpstream('two')
    const endpoints = [
      { port: one.port, locality: HERE },
      { port: two.port, locality: 'us/a/r1' },
    ]
    const policy = `loadBalancer: { simple: ROUND_ROBIN, localityLbSetting: { enabled: true } }, ${EJECT_AT_ONCE}`
    await using gw = await startGateway(config(endpoints, policy), { ports: [80] })
    const replies = await sendMany({ port: gw.port(80), count: 20, url: '/' })
    expect(countBodies(replies)).toEqual(
      new Map([
        ['one', 10],
        ['two', 10],
      ]),
    )
    const problems = await (await fetch(`${gw.admin}/problems`)).text()
    expect(problems).toContain('own-locality-unknown')
  })

  test('distribute sends each locality its percentage', async () => {
    await using near = await startUpstream('near')
    await using zone = await startUpstream('zone')
    await using far = await startUpstream('far')
    const endpoints = [
      { port: near.port, locality: HERE },
      { port: zone.port, locality: 'eu/b/r1' },
      { port: far.port, locality: 'us/a/r1' },
    ]
    const policy =
      'loadBalancer: { localityLbSetting: { distribute: [{ from: eu/a/*, to: { eu/a/*: 70, us/*: 30 } }] } }'
    await using gw = await startGateway(config(endpoints, policy), { ports: [80], locality: HERE })
    const count = 1_000
    const replies = await sendMany({ port: gw.port(80), count, concurrency: 8, url: '/' })
    const counts = countBodies(replies)
    expect(counts.get('zone')).toBeUndefined()
    expect(sigmasFrom(0.7, counts.get('near')!, count)).toBeLessThan(6)
    expect(counts.get('near')! + counts.get('far')!).toBe(count)
  })
})

test('a generated cookie keeps a client on its endpoint when others come', async () => {
  const upstreams = await Promise.all(['a', 'b', 'c'].map((name) => startUpstream(name)))
  await using stack = new AsyncDisposableStack()
  for (const upstream of upstreams) stack.use(upstream)
  const places = upstreams.map(({ port }) => ({ port, locality: HERE }))
  const policy =
    'loadBalancer: { consistentHash: { httpCookie: { name: stick, path: /, ttl: 1h, attributes: [{ name: SameSite, value: Lax }] }, maglev: { tableSize: 251 } } }'
  await using gw = await startGateway(config(places.slice(0, 2), policy), { ports: [80] })
  const port = gw.port(80)
  const [first] = await sendMany({ port, count: 1, url: '/' })
  const cookie = first!.headers['set-cookie']![0]!
  expect(cookie).toMatch(/^stick="[0-9a-f]+"; Max-Age=3600; Path=\/; SameSite=Lax; HttpOnly$/)
  const headers = { cookie: cookie.split(';')[0]! }
  const again = await sendMany({ port, count: 20, url: '/', headers })
  expect(countBodies(again)).toEqual(new Map([[first!.body, 20]]))
  expect(again.every((reply) => reply.headers['set-cookie'] === undefined)).toBe(true)

  gw.write('config.yaml', config(places, policy))
  await gw.reload()
  const later = countBodies(await sendMany({ port, count: 20, url: '/', headers }))
  // It stays, or the endpoint that came has taken its key: nobody else gets it.
  expect([...later.keys()].every((body) => body === first!.body || body === 'c')).toBe(true)
  expect(later.size).toBe(1)
})

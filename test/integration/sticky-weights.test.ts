import { describe, expect, test } from 'vitest'
import { WIRES } from '../support/both-wires.ts'
import { startGateway } from '../support/gateway.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const HOST = 'app.test'

interface Shape {
  readonly weights: readonly [number, number]
  /** What DestinationRule.loadBalancer.consistentHash says. */
  readonly hash: string
  readonly annotation?: string
}

/** Two services as versions of one application; the first decides about the key. */
function yaml(v1: Upstream, v2: Upstream, { weights, hash, annotation = '"true"' }: Shape): string {
  const [first, second] = weights
  const rule = (host: string): string => `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${host} }
spec: { host: ${host}, trafficPolicy: { loadBalancer: { consistentHash: ${hash} } } }
---
`
  const routes = `  - route:
    - { destination: { host: v1 }, weight: ${first} }
    - { destination: { host: v2 }, weight: ${second} }`
  return (
    service('v1', v1.port) +
    service('v2', v2.port) +
    rule('v1') +
    rule('v2') +
    gateway('gw', [HOST]) +
    virtualService('app', [HOST], ['gw'], routes).replace(
      'metadata: { name: app }',
      `metadata: { name: app, annotations: { tidegate.dev/sticky-weights: ${annotation} } }`,
    )
  )
}

const COOKIE = '{ httpCookie: { name: user, path: /shop, ttl: 600s } }'

describe.each(WIRES)('sticky weights over $name', (wire) => {
  test('a user known by a header stays, and moves only as the other version grows', async () => {
    await using v1 = await startUpstream('v1')
    await using v2 = await startUpstream('v2')
    const hash = '{ httpHeaderName: x-user }'
    await using gw = await startGateway(yaml(v1, v2, { weights: [90, 10], hash }), { ports: [80] })
    const users = Array.from({ length: 60 }, (_, i) => `user-${i}`)
    const versions = async (): Promise<string[]> => {
      const port = gw.port(80)
      const ask = (user: string) => wire.ask({ port, headers: { 'x-user': user } })
      const found: string[] = []
      for (const user of users) found.push((await ask(user)).body.toString())
      return found
    }
    const before = await versions()
    expect(await versions()).toEqual(before)
    gw.write('config.yaml', yaml(v1, v2, { weights: [40, 60], hash }))
    await gw.reload()
    const after = await versions()
    expect(before.filter((version, i) => version === 'v2' && after[i] === 'v1')).toEqual([])
    const count = (list: string[]): number => list.filter((version) => version === 'v2').length
    expect(count(before)).toBeLessThan(count(after))
    expect(count(after)).toBeLessThan(users.length)
  })

  test('the cookie that is set brings the next requests to the same version', async () => {
    await using v1 = await startUpstream('v1')
    await using v2 = await startUpstream('v2')
    await using gw = await startGateway(yaml(v1, v2, { weights: [50, 50], hash: COOKIE }), {
      ports: [80],
    })
    const port = gw.port(80)
    const met = new Set<string>()
    for (let user = 0; user < 20; user++) {
      const first = await wire.ask({ port })
      const version = first.body.toString()
      met.add(version)
      const cookies = [first.headers['set-cookie']].flat()
      expect(cookies).toHaveLength(1)
      expect(cookies[0]).toMatch(/^user="[0-9a-f]{16}"; Max-Age=600; Path=\/shop; HttpOnly$/)
      const cookie = cookies[0]!.slice(0, cookies[0]!.indexOf(';'))
      for (let i = 0; i < 3; i++) {
        const next = await wire.ask({ port, headers: { cookie } })
        expect(next.body.toString()).toBe(version)
        expect(next.headers['set-cookie']).toBeUndefined()
      }
    }
    expect([...met].toSorted()).toEqual(['v1', 'v2'])
  })

  test('by address and by query parameter', async () => {
    await using v1 = await startUpstream('v1')
    await using v2 = await startUpstream('v2')
    const weights = [50, 50] as const
    await using gw = await startGateway(yaml(v1, v2, { weights, hash: '{ useSourceIp: true }' }), {
      ports: [80],
    })
    const port = gw.port(80)
    const met = new Set<string>()
    for (let i = 0; i < 12; i++) met.add((await wire.ask({ port })).body.toString())
    expect(met.size).toBe(1)

    gw.write('config.yaml', yaml(v1, v2, { weights, hash: '{ httpQueryParameterName: u }' }))
    await gw.reload()
    const byUser = new Map<string, string>()
    for (let i = 0; i < 60; i++) {
      const user = `u${i % 20}`
      const version = (await wire.ask({ port, path: `/?a=${i}&u=${user}` })).body.toString()
      expect(byUser.get(user) ?? version).toBe(version)
      byUser.set(user, version)
    }
    expect(new Set(byUser.values()).size).toBe(2)
  })

  test('without the annotation each request is drawn anew', async () => {
    await using v1 = await startUpstream('v1')
    await using v2 = await startUpstream('v2')
    const shape = {
      weights: [50, 50],
      hash: '{ useSourceIp: true }',
      annotation: '"false"',
    } as const
    await using gw = await startGateway(yaml(v1, v2, shape), { ports: [80] })
    const met = new Set<string>()
    for (let i = 0; i < 40; i++) met.add((await wire.ask({ port: gw.port(80) })).body.toString())
    expect(met.size).toBe(2)
  })
})

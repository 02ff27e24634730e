import { describe, expect, test } from 'vitest'
import { problemsOf } from '../support/admin-view.ts'
import { callProxy } from '../support/egress.ts'
import { startGateway } from '../support/gateway.ts'
import { seedFixture } from '../support/seed-fixture.ts'
import { countBodies, sendMany } from '../support/traffic.ts'
import { startUpstream } from '../support/upstream.ts'
import { workload } from '../support/workload.ts'

describe('S9 load balancers by name', () => {
  const URL = 'http://web-svc:8080/'

  test.each(['LEAST_CONN', 'LEAST_REQUEST'])(
    'with %s a slow endpoint of three gets less than a fifth under load',
    async (policy) => {
      const slowMs = 150
      await using slow = await startUpstream((_request, response) => {
        setTimeout(() => response.end('slow'), slowMs)
      })
      await using fast = await startUpstream('fast')
      await using other = await startUpstream('other')
      const yaml =
        seedFixture('s09-load-balancer', { policy }) +
        workload('web-svc', 'slow', { port: slow.port }) +
        workload('web-svc', 'fast', { port: fast.port }) +
        workload('web-svc', 'other', { port: other.port })
      await using gw = await startGateway(yaml, { egressProxy: true })
      const count = 900
      const replies = await sendMany({ port: gw.egressPort, count, concurrency: 24, url: URL })
      const counts = countBodies(replies)
      expect(counts.get('slow')! / count).toBeLessThan(0.2)
      expect((counts.get('fast') ?? 0) + (counts.get('other') ?? 0)).toBe(
        count - counts.get('slow')!,
      )
    },
  )

  test('LEAST_CONN loads and says what it is called now', async () => {
    const yaml = seedFixture('s09-load-balancer', { policy: 'LEAST_CONN' })
    await using gw = await startGateway(yaml)
    const [problem] = await problemsOf(gw, 'deprecated-value')
    expect(problem).toMatchObject({ severity: 'warning', kind: 'DestinationRule', name: 'web-svc' })
    expect(problem?.path).toBe('spec.trafficPolicy.loadBalancer.simple')
    expect(`${problem?.message} ${problem?.hint}`).toContain('LEAST_REQUEST')
  })

  test('ROUND_ROBIN takes strict turns', async () => {
    const names = ['a', 'b', 'c']
    await using stack = new AsyncDisposableStack()
    const endpoints: string[] = []
    for (const name of names) {
      const { port } = stack.use(await startUpstream(name))
      endpoints.push(workload('web-svc', name, { port }))
    }
    const yaml = seedFixture('s09-load-balancer', { policy: 'ROUND_ROBIN' }) + endpoints.join('')
    await using gw = await startGateway(yaml, { egressProxy: true })
    const bodies = (await sendMany({ port: gw.egressPort, count: 60, url: URL })).map((r) => r.body)
    expect(new Set(bodies.slice(0, 3))).toEqual(new Set(names))
    for (const [index, body] of bodies.entries()) expect(body).toBe(bodies[index % 3])
  })
})

describe('S10 consistentHash.useSourceIp: True', () => {
  const ADDRESSES = Array.from({ length: 40 }, (_, index) => `127.0.0.${index + 2}`)
  const NAMES = ['a', 'b', 'c', 'd', 'e']

  test('every source address sticks; removing an endpoint moves its addresses and no others', async () => {
    await using stack = new AsyncDisposableStack()
    const files: Record<string, string> = { 'foo.yaml': seedFixture('s10-source-ip') }
    for (const name of NAMES) {
      const { port } = stack.use(await startUpstream(name))
      files[`${name}.yaml`] = workload('foo', name, { port })
    }
    await using gw = await startGateway(files, { egressProxy: true })
    const endpointOf = async (localAddress: string, headers = {}): Promise<string> => {
      const answer = await callProxy(gw.egressPort, 'http://foo:8080/', { localAddress, headers })
      expect(answer.status).toBe(200)
      return answer.body
    }
    const placed = async (): Promise<Map<string, string>> => {
      const places = new Map<string, string>()
      for (const address of ADDRESSES) places.set(address, await endpointOf(address))
      return places
    }
    const before = await placed()
    expect(new Set(before.values()).size).toBeGreaterThan(1)
    for (const address of ADDRESSES.slice(0, 3)) {
      for (let again = 0; again < 5; again++) {
        const forged = { 'x-forwarded-for': `203.0.113.${again}` }
        expect(await endpointOf(address, forged), address).toBe(before.get(address))
      }
    }

    const removed = before.get(ADDRESSES[0]!)!
    gw.remove(`${removed}.yaml`)
    await gw.reload()
    const after = await placed()
    for (const [address, endpoint] of before) {
      if (endpoint === removed) expect(after.get(address), address).not.toBe(removed)
      else expect(after.get(address), address).toBe(endpoint)
    }
  })
})

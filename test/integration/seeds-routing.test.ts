import { afterEach, describe, expect, test, vi } from 'vitest'
import { problemsOf } from '../support/admin-view.ts'
import { type Answer, call } from '../support/call.ts'
import { callProxy } from '../support/egress.ts'
import { startGateway } from '../support/gateway.ts'
import { seedFixture } from '../support/seed-fixture.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { countBodies, sendMany, sigmasFrom } from '../support/traffic.ts'
import { startUpstream } from '../support/upstream.ts'
import { anotherPort, workload } from '../support/workload.ts'

const LABELS = [{ istio: 'ingressgateway' }]

afterEach(() => vi.restoreAllMocks())

describe('S1 a VirtualService with empty tcp, http and tls lists', () => {
  test('has no error, and its host is served by the default route', async () => {
    await using web = await startUpstream('hello web')
    const yaml = seedFixture('s01-empty-lists') + workload('web-svc', 'web', { port: web.port })
    await using gw = await startGateway(yaml, { egressProxy: true })
    const errors = (await problemsOf(gw)).filter((problem) => problem.severity === 'error')
    expect(errors).toEqual([])
    const answer = await callProxy(gw.egressPort, 'http://web-svc:8080/')
    expect(answer).toMatchObject({ status: 200, body: 'hello web' })
  })
})

describe('S2 a short host', () => {
  test('is reached by every name of the service, with and without port', async () => {
    await using tomcat = await startUpstream('hello httpd2')
    const yaml =
      seedFixture('s03-weights', { tomcat: 100, httpd: 0 }) +
      workload('tomcat-svc', 'tomcat', { port: tomcat.port })
    await using gw = await startGateway(yaml, { egressProxy: true })
    const names = [
      'web-svc:8080',
      'web-svc.default:8080',
      'web-svc.default.svc:8080',
      'web-svc.default.svc.cluster.local:8080',
    ]
    for (const host of names) {
      const answer = await callProxy(gw.egressPort, `http://${host}/`)
      expect(answer, host).toMatchObject({ status: 200, body: 'hello httpd2' })
    }
  })

  test.each([
    'web-svc',
    'web-svc:8080',
    'web-svc.default',
    'web-svc.default.svc.cluster.local:8080',
  ])('matches Host %s of a request in absolute form, whose own host decides', async (host) => {
    await using tomcat = await startUpstream('hello httpd2')
    const yaml =
      seedFixture('s03-weights', { tomcat: 100, httpd: 0 }) +
      workload('tomcat-svc', 'tomcat', { port: tomcat.port })
    await using gw = await startGateway(yaml, { egressProxy: true })
    const answer = await callProxy(gw.egressPort, 'http://web-svc:8080/', { headers: { host } })
    expect(answer).toMatchObject({ status: 200, body: 'hello httpd2' })
  })
})

describe('S3 weights', () => {
  const COUNT = 2000
  test.each([
    [20, 80],
    [75, 25],
    [90, 10],
    [9, 1],
    [100, 0],
    [0, 100],
  ])('%i to %i is kept by 2000 requests', async (tomcatWeight, httpdWeight) => {
    vi.spyOn(Math, 'random').mockImplementation(seededRandom(2000 + tomcatWeight))
    await using tomcat = await startUpstream('tomcat')
    await using httpd = await startUpstream('httpd')
    const yaml =
      seedFixture('s03-weights', { tomcat: tomcatWeight, httpd: httpdWeight }) +
      workload('tomcat-svc', 'tomcat', { port: tomcat.port }) +
      workload('httpd-svc', 'httpd', { port: httpd.port })
    await using gw = await startGateway(yaml, { egressProxy: true })
    const url = 'http://web-svc:8080/'
    const replies = await sendMany({ port: gw.egressPort, count: COUNT, concurrency: 8, url })
    const counts = countBodies(replies)
    const hits = counts.get('tomcat') ?? 0
    expect(hits + (counts.get('httpd') ?? 0)).toBe(COUNT)
    const share = tomcatWeight / (tomcatWeight + httpdWeight)
    if (share === 0 || share === 1) expect(hits).toBe(COUNT * share)
    else expect(sigmasFrom(share, hits, COUNT)).toBeLessThan(3)
  })

  test('that add up to nothing are refused where they stand', async () => {
    const yaml = seedFixture('s03-weights', { tomcat: 0, httpd: 0 })
    await using gw = await startGateway(yaml, { egressProxy: true })
    const [problem] = await problemsOf(gw, 'zero-total-weight')
    expect(problem).toMatchObject({ severity: 'error', name: 'web-svc-vs' })
    expect(problem?.line).toBeGreaterThan(1)
  })
})

describe('S4 a header match with port and subset', () => {
  test.each<[string, Record<string, string>, string]>([
    ['exact', { 'end-user': 'jason' }, 'v2 on 8088'],
    ['a header name in other letters', { 'End-USER': 'jason' }, 'v2 on 8088'],
    ['prefix', { 'end-user': 'test-1' }, 'v2 on 8088'],
    ['regex', { 'end-user': 'user-77' }, 'v2 on 8088'],
    ['a regex that fits only in part', { 'end-user': 'user-77x' }, 'v1 on 80'],
    ['a value in other letters', { 'end-user': 'Jason' }, 'v1 on 80'],
    ['no header', {}, 'v1 on 80'],
  ])('%s', async (_name, headers, expected) => {
    await using old = await startUpstream('v1 on 80')
    await using oldNew = await startUpstream('v1 on 8088')
    await using next = await startUpstream('v2 on 80')
    await using nextNew = await startUpstream('v2 on 8088')
    const v1 = { version: 'v1' }
    const v2 = { version: 'v2' }
    const yaml =
      seedFixture('s04-reviews') +
      workload('reviews', 'v1', { port: old.port, labels: v1 }) +
      anotherPort('reviews', 'v1', { port: oldNew.port, portName: 'http-new' }) +
      workload('reviews', 'v2', { port: next.port, labels: v2 }) +
      anotherPort('reviews', 'v2', { port: nextNew.port, portName: 'http-new' })
    await using gw = await startGateway(yaml, { egressProxy: true })
    const replies = await sendMany({
      port: gw.egressPort,
      count: 4,
      url: 'http://reviews/',
      headers,
    })
    expect(replies.map((reply) => reply.body)).toEqual(Array(4).fill(expected))
  })
})

describe('S5 two VirtualServices for one host', () => {
  test('the older has it alone inside and says who lost what; at a gateway both are merged by age', async () => {
    await using web = await startUpstream('web')
    const yaml =
      seedFixture('s05-two-virtual-services') + workload('web-svc', 'web', { port: web.port })
    await using gw = await startGateway(yaml, { egressProxy: true, labels: LABELS, ports: [80] })
    const host = 'web-svc.default.svc.cluster.local'
    const inside = async (path: string): Promise<unknown> => {
      const answer = await callProxy(gw.egressPort, `http://${host}:8080${path}`)
      return answer.headers['x-rule'] ?? answer.status
    }
    expect(await inside('/beta')).toBe('beta-only')
    expect(await inside('/both')).toBe('beta-only')
    expect(await inside('/alpha')).toBe(404)
    const [lost] = await problemsOf(gw, 'virtual-service-shadowed')
    expect(lost?.name).toBe('alpha')
    expect(lost?.message).toMatch(/default\/beta \(.*config\.yaml:\d+\)/)
    expect(lost?.message).toContain('alpha-only')
    expect(lost?.message).toContain('alpha-rest')

    const outside = async (path: string): Promise<unknown> =>
      (await call({ port: gw.port(80), path, host })).headers['x-rule']
    expect(await outside('/alpha')).toBe('alpha-only')
    expect(await outside('/beta')).toBe('beta-only')
    expect(await outside('/both')).toBe('beta-only')
  })
})

describe('S6 a VirtualService that lists a gateway', () => {
  test('is not for requests from inside, which is said; listing mesh makes it so', async () => {
    await using web = await startUpstream('web')
    const yaml = seedFixture('s06-gateway-only')
    const files = { 'vs.yaml': yaml, 'web.yaml': workload('web-svc', 'web', { port: web.port }) }
    await using gw = await startGateway(files, { egressProxy: true, labels: LABELS, ports: [80] })
    const inside = (): Promise<Answer> => callProxy(gw.egressPort, 'http://web-svc:8080/')
    expect((await inside()).headers['x-rule']).toBeUndefined()
    const [advice] = await problemsOf(gw, 'gateway-only-short-host')
    expect(advice?.name).toBe('web-svc-vs')
    expect(advice?.hint).toContain('mesh')

    gw.write('vs.yaml', yaml.replace('  - gw\n', '  - gw\n  - mesh\n'))
    await gw.reload()
    expect((await inside()).headers['x-rule']).toBe('ruled')
    expect(await problemsOf(gw, 'gateway-only-short-host')).toEqual([])
    const outside = await call({ port: gw.port(80), host: 'web-svc.default.svc.cluster.local' })
    expect(outside).toMatchObject({ status: 200, body: 'web' })
  })
})

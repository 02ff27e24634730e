import { describe, expect, test } from 'vitest'
import { WIRES } from '../support/both-wires.ts'
import { startGateway } from '../support/gateway.ts'
import { task } from '../support/task.ts'
import { startUpstream } from '../support/upstream.ts'

const OWN = { ports: [80], labels: [{ istio: 'ingressgateway' }] }
const SHIFTED = 120

async function startVersions() {
  const productpage = await startUpstream('productpage')
  const v1 = await startUpstream('v1')
  // Slower than the timeout of the task, as ratings is there.
  const v2 = await startUpstream((request, response) => {
    if (request.url?.startsWith('/with-timeout') !== true) response.end('v2')
  })
  const v3 = await startUpstream('v3')
  const all = [productpage, v1, v2, v3]
  return {
    ports: { productpage: productpage.port, v1: v1.port, v2: v2.port, v3: v3.port },
    async [Symbol.asyncDispose]() {
      for (const upstream of all) await upstream[Symbol.asyncDispose]()
    },
  }
}

describe.each(WIRES)('Istio tasks over $name', (wire) => {
  test('request routing: one user sees v2, the others v1', async () => {
    await using versions = await startVersions()
    const yaml = task(['services.yaml', 'bookinfo.yaml', 'request-routing.yaml'], versions.ports)
    await using gw = await startGateway(yaml, OWN)
    const ask = async (host: string, path: string, user?: string): Promise<string> => {
      const headers = user === undefined ? {} : { 'end-user': user }
      const answer = await wire.ask({ port: gw.port(80), host, path, headers })
      return `${answer.status} ${answer.body.toString()}`
    }
    expect(await ask('reviews.test', '/', 'jason')).toBe('200 v2')
    expect(await ask('reviews.test', '/', 'anna')).toBe('200 v1')
    expect(await ask('reviews.test', '/')).toBe('200 v1')
    expect(await ask('bookinfo.test', '/productpage')).toBe('200 productpage')
    expect(await ask('bookinfo.test', '/nothing')).toMatch(/^404 /)
  })

  test('traffic shifting: half, then all of it, without a failed request', async () => {
    await using versions = await startVersions()
    const shift = (v1: number, v3: number): string =>
      task(['services.yaml', 'traffic-shifting.yaml'], {
        ...versions.ports,
        'weight-v1': v1,
        'weight-v3': v3,
      })
    await using gw = await startGateway(shift(50, 50), OWN)
    const answers = async (): Promise<Map<string, number>> => {
      const counts = new Map<string, number>()
      for (let i = 0; i < SHIFTED; i++) {
        const { body } = await wire.ask({ port: gw.port(80), host: 'reviews.test' })
        counts.set(body.toString(), (counts.get(body.toString()) ?? 0) + 1)
      }
      return counts
    }
    const half = await answers()
    expect([...half.keys()].toSorted()).toEqual(['v1', 'v3'])
    // Four standard deviations of a fair coin.
    expect(Math.abs(half.get('v1')! - SHIFTED / 2)).toBeLessThan(2 * Math.sqrt(SHIFTED) + 1)
    gw.write('config.yaml', shift(0, 100))
    await gw.reload()
    expect(await answers()).toEqual(new Map([['v3', SHIFTED]]))
  })

  test('request timeouts: 504 after half a second where the rule says so, and only there', async () => {
    await using versions = await startVersions()
    const yaml = task(['services.yaml', 'request-timeouts.yaml'], versions.ports)
    await using gw = await startGateway(yaml, OWN)
    const began = performance.now()
    const late = await wire.ask({ port: gw.port(80), host: 'reviews.test', path: '/with-timeout' })
    expect([late.status, late.body.toString()]).toEqual([504, 'upstream request timeout'])
    expect(performance.now() - began).toBeGreaterThanOrEqual(495)
    const quick = await wire.ask({ port: gw.port(80), host: 'reviews.test' })
    expect(quick.body.toString()).toBe('v2')
  })

  test('ingress: the host and the paths of httpbin, and nothing else', async () => {
    await using httpbin = await startUpstream('httpbin')
    const yaml = task(['ingress-httpbin.yaml'], { httpbin: httpbin.port })
    await using gw = await startGateway(yaml, OWN)
    const status = async (host: string, path: string): Promise<number> =>
      (await wire.ask({ port: gw.port(80), host, path })).status
    expect(await status('httpbin.example.com', '/status/200')).toBe(200)
    expect(await status('httpbin.example.com', '/headers')).toBe(404)
    expect(await status('other.example.com', '/status/200')).toBe(404)
    expect(httpbin.seen.map(({ url }) => url)).toEqual(['/status/200'])
  })
})

import { expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { gateway, virtualService } from '../support/yaml.ts'

interface Endpoint {
  readonly port: number
  readonly locality: string
}

function config(retries: string, endpoints: readonly Endpoint[], balancer: string): string {
  const list = endpoints.map(
    ({ port, locality }) =>
      `{ address: 127.0.0.1, ports: { http: ${port} }, locality: ${locality} }`,
  )
  return `${gateway('edge', ['*'])}${virtualService(
    'web',
    ['*'],
    ['edge'],
    `  - { retries: ${retries}, route: [{ destination: { host: web.test } }] }`,
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
spec:
  host: web.test
  trafficPolicy:
    loadBalancer: { ${balancer} }
    outlierDetection: { consecutive5xxErrors: 0 }
`
}

const RETRY = 'attempts: 1, retryOn: 5xx, backoff: 1ms'
const REMOTE = `{ ${RETRY}, retryRemoteLocalities: true }`

/** Two endpoints nearby that only fail, one far away that answers: who answered the requests. */
async function answers(retries: string, balancer: string): Promise<readonly string[]> {
  const failing = (): ReturnType<typeof startUpstream> =>
    startUpstream((_request, response) => {
      response.statusCode = 500
      response.end('near')
    })
  await using one = await failing()
  await using two = await failing()
  await using far = await startUpstream((_request, response) => void response.end('far'))
  const endpoints = [
    { port: one.port, locality: 'eu/a/r1' },
    { port: two.port, locality: 'eu/a/r1' },
    { port: far.port, locality: 'us/a/r1' },
  ]
  const yaml = config(retries, endpoints, balancer)
  await using gw = await startGateway(yaml, { ports: [80], locality: 'eu/a/r1' })
  const bodies = new Set<string>()
  for (let i = 0; i < 5; i++) {
    const response = await call({ port: gw.port(80), headers: { user: `user-${i}` } })
    bodies.add(response.body)
  }
  return [...bodies]
}

test.each([
  ['round robin', 'simple: ROUND_ROBIN'],
  ['a hash ring', 'consistentHash: { httpHeaderName: user }'],
])('with retryRemoteLocalities a retry leaves the locality that failed: %s', async (_name, lb) => {
  expect(await answers(REMOTE, lb)).toEqual(['far'])
})

test('without it a retry stays in the localities that serve', async () => {
  expect(await answers(`{ ${RETRY} }`, 'simple: ROUND_ROBIN')).toEqual(['near'])
})

test('where every locality was tried, a retry goes to any', async () => {
  let requests = 0
  await using near = await startUpstream((_request, response) => {
    requests++
    response.statusCode = 500
    response.end('near')
  })
  const yaml = config(REMOTE, [{ port: near.port, locality: 'eu/a/r1' }], 'simple: ROUND_ROBIN')
  await using gw = await startGateway(yaml, { ports: [80], locality: 'eu/a/r1' })
  const response = await call({ port: gw.port(80) })
  expect(response.status).toBe(500)
  expect(requests).toBe(2)
})

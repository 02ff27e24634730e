import { describe, expect, test } from 'vitest'
import { type Wire, WIRES } from '../support/both-wires.ts'
import { freePort } from '../support/free-port.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

function configuration(closedPort: number): string {
  const answer = (status: number): string =>
    `  - { match: [{ uri: { exact: /direct/${status} } }], directResponse: { status: ${status}, body: { string: 100% no } } }\n`
  return (
    service('app', closedPort, { portName: 'grpc' }) +
    gateway('gw', ['app.test']) +
    virtualService(
      'app',
      ['app.test'],
      ['gw'],
      [400, 401, 403, 404, 418, 429, 503, 504].map(answer).join('') +
        `  - { match: [{ uri: { exact: /refused } }], route: [{ destination: { host: app } }] }
  - { match: [{ uri: { exact: /missing } }], route: [{ destination: { host: missing } }] }
`,
    )
  )
}

async function statusOf(wire: Wire, gw: TestGateway, path: string): Promise<unknown> {
  const answer = await wire.ask({
    port: gw.port(80),
    host: 'app.test',
    path,
    method: 'POST',
    headers: { 'content-type': 'application/grpc+proto', te: 'trailers' },
    body: 'call',
  })
  // Trailers-only: everything is in the head, which is all there is.
  expect(answer, path).toMatchObject({ status: 200, trailers: {}, isCut: false })
  expect(answer.body.length, path).toBe(0)
  expect(answer.headers['content-type'], path).toBe('application/grpc')
  return answer.headers['grpc-status']
}

describe.each(WIRES)('$name client', (wire) => {
  test('answers of the gateway to gRPC calls are trailers-only, with the status that fits', async () => {
    await using gw = await startGateway(configuration(await freePort()))
    const statuses: Record<string, unknown> = {}
    const direct = [400, 401, 403, 404, 418, 429, 503, 504].map((status) => `/direct/${status}`)
    for (const path of [...direct, '/refused', '/missing', '/no-route']) {
      statuses[path] = await statusOf(wire, gw, path)
    }
    expect(statuses).toEqual({
      '/direct/400': '13',
      '/direct/401': '16',
      '/direct/403': '7',
      '/direct/404': '12',
      '/direct/418': '2',
      '/direct/429': '14',
      '/direct/503': '14',
      '/direct/504': '14',
      '/refused': '14',
      '/missing': '14',
      '/no-route': '12',
    })
  })

  test('requests that are no gRPC get the HTTP status', async () => {
    await using gw = await startGateway(configuration(await freePort()))
    for (const type of ['application/json', 'application/grpcish']) {
      const answer = await wire.ask({
        port: gw.port(80),
        host: 'app.test',
        path: '/direct/403',
        method: 'POST',
        headers: { 'content-type': type },
        body: 'call',
      })
      expect(answer.status).toBe(403)
      expect(answer.body.toString()).toBe('100% no')
      expect(answer.headers['grpc-status']).toBeUndefined()
    }
  })
})

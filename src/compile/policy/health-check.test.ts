import { describe, expect, test } from 'vitest'
import { parseHealthCheck } from './health-check.ts'

const HOST = 'web.default.svc.cluster.local'

describe('an annotation that can be read', () => {
  test('a kind alone has defaults for all else', () => {
    expect(parseHealthCheck('http', HOST, false)).toEqual({
      question: { kind: 'http', path: '/', host: HOST, statuses: [[200, 299]], http2: false },
      intervalMs: 10_000,
      timeoutMs: 1_000,
      healthyThreshold: 2,
      unhealthyThreshold: 3,
      port: null,
    })
  })

  test.each([
    ['http path=/healthz?deep=1 host=a.test', { path: '/healthz?deep=1', host: 'a.test' }],
    ['http status=200,301-302', { statuses: [[200, 200], [301, 302]] }], // prettier-ignore
    ['tcp', { kind: 'tcp' }],
    ['grpc', { kind: 'grpc', service: '', host: HOST }],
    ['grpc service=shop.Cart', { kind: 'grpc', service: 'shop.Cart' }],
  ])('%s', (text, question) => {
    expect(parseHealthCheck(text, HOST, false)).toMatchObject({ question })
  })

  test.each([
    ['tcp interval=1m timeout=250ms', { intervalMs: 60_000, timeoutMs: 250 }],
    ['tcp healthy=1 unhealthy=5', { healthyThreshold: 1, unhealthyThreshold: 5 }],
    ['  tcp \n port=15021 ', { port: 15_021 }],
  ])('%s', (text, expected) => {
    expect(parseHealthCheck(text, HOST, false)).toMatchObject(expected)
  })
})

test.each([
  ['', 'the kind is ""'],
  ['ping', 'the kind is "ping"'],
  ['http /healthz', '"/healthz" is none of path='],
  ['tcp path=/', '"path=/" is none of interval='],
  ['http path=healthz', 'path=healthz is no path'],
  ['http path=', 'path= is empty'],
  ['http path=/a path=/b', 'path is given twice'],
  ['http status=20x', 'status=20x is no list'],
  ['http status=299-200', 'status=299-200 is no list'],
  ['tcp interval=often', 'interval=often is no duration'],
  ['tcp interval=1ms', 'interval must be at least 100ms'],
  ['tcp timeout=0s', 'timeout must be at least 1ms'],
  ['tcp healthy=0', 'healthy=0 is no number from 1'],
  ['tcp port=70000', 'port=70000 is no number from 1 to 65535'],
  [`grpc service=${'x'.repeat(128)}`, 'service is longer'],
])('%j is refused with a reason', (text, reason) => {
  expect(parseHealthCheck(text, HOST, false)).toContain(reason)
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { explainerOf } from '../../test/support/explain.ts'
import { httpsGateway, tlsSecret } from '../../test/support/secrets.ts'
import { gateway, service, virtualService } from '../../test/support/yaml.ts'
import { CallProblem } from './call.ts'
import { explanationText } from './text.ts'

const explainer = explainerOf(
  [
    tlsSecret('cert', Authority.create('Explain').issue(['a.test'])),
    service('web', 9000),
    gateway('gw', ['a.test', '*.b.test']),
    httpsGateway('tls', [{ hosts: ['a.test'], tls: '{ mode: SIMPLE, credentialName: cert }' }]),
    virtualService(
      'vs',
      ['a.test', '*.b.test'],
      ['gw', 'tls', 'mesh'],
      `  - match: [{ uri: { prefix: /a } }, { headers: { x: { regex: "[a-z]+" } } }]
    rewrite: { uri: /b }
    route: [{ destination: { host: web } }]
  - match: [{ queryParams: { q: { exact: "1" } } }]
    redirect: { authority: b.test }`,
    ),
  ].join(''),
)

const piece = fc.oneof(
  fc.constantFrom('http://', 'https://', 'a.test', 'x.b.test', '/a', '?q=1', ':443', '%2f', '..'),
  fc.string({ maxLength: 4, unit: 'binary' }),
)
const calls = fc.record({
  method: fc.oneof(fc.constantFrom('GET', 'CONNECT', 'OPTIONS'), fc.string({ maxLength: 5 })),
  url: fc.oneof(
    fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join('')),
    fc.tuple(fc.constantFrom('http', 'https'), piece).map(([s, rest]) => `${s}://a.test/${rest}`),
  ),
  headers: fc.array(
    fc.tuple(
      fc.constantFrom('host', 'x', 'content-length', 'connection', 'upgrade', 'te', 'expect'),
      fc.oneof(fc.constantFrom('a.test', 'upgrade', 'websocket'), fc.string({ maxLength: 6 })),
    ),
    { maxLength: 3 },
  ),
  sni: fc.option(fc.constantFrom('', 'a.test', 'A.test', 'nobody.test')),
  port: fc.option(fc.constantFrom(80, 443, 1)),
  egress: fc.boolean(),
  from: fc.option(fc.constantFrom('10.0.0.1', '::1', 'x/y', '')),
})

test('every call is explained or refused, and neither throws', () => {
  let explained = 0
  fc.assert(
    fc.property(calls, (call) => {
      const found = explainer.explain(call)
      if (found instanceof CallProblem) {
        expect(found.hint).not.toBe('')
        return
      }
      explained++
      const { outcome, rules } = found
      expect(outcome.summary).not.toBe('')
      expect(outcome.ok).toBe(outcome.type !== 'refused')
      const winners = rules.filter(({ verdict }) => verdict === 'matched')
      expect(winners).toHaveLength(found.route === null ? 0 : 1)
      expect(explanationText(found)).toContain('=> ')
    }),
    { numRuns: 1000 },
  )
  expect(explained).toBeGreaterThan(50)
})

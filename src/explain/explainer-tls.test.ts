import { describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { explained, explainerOf } from '../../test/support/explain.ts'
import { httpsGateway, tlsSecret } from '../../test/support/secrets.ts'
import { gateway, virtualService } from '../../test/support/yaml.ts'

const ANSWER = '  - directResponse: { status: 200 }'
const authority = Authority.create('Explain')
const pair = authority.issue(['*.b.test'])
const SIMPLE = '{ mode: SIMPLE, credentialName: good }'
const YAML = [
  tlsSecret('good', pair),
  tlsSecret('own', authority.issue(['a.test'])),
  httpsGateway('gw', [
    { hosts: ['a.test'], tls: '{ mode: SIMPLE, credentialName: own }' },
    { hosts: ['*.b.test'], tls: SIMPLE },
    { hosts: ['x.b.test'], tls: '{ mode: SIMPLE, credentialName: missing }' },
  ]),
  gateway('plain', ['a.test']).replace(
    'hosts: ["a.test"]',
    'hosts: ["a.test"]\n    tls: { httpsRedirect: true }',
  ),
  virtualService('vs', ['a.test', '*.b.test'], ['gw', 'plain'], ANSWER),
].join('')
const explainer = explainerOf(YAML)
const serverLine = (index: number): number =>
  YAML.split('\n').findIndex((one) => one.includes(`name: https-${index}`)) + 1

describe('the server of a TLS port', () => {
  test('is chosen by server name, with the reason for each', () => {
    const { tls, listener, outcome } = explained(explainer, 'https://y.b.test/')
    expect(outcome).toMatchObject({ ok: true, status: 200 })
    expect(listener).toMatchObject({ type: 'tls', gatewayPorts: [443] })
    expect(tls).toMatchObject({
      serverName: 'y.b.test',
      certificates: ['kubernetes://istio-system/good'],
      alpn: ['h2', 'http/1.1'],
      chains: [
        { chosen: false, reason: 'server name y.b.test is none of its hosts' },
        {
          chosen: true,
          reason: 'server name y.b.test is taken by *.b.test',
          place: { path: 'spec.servers[1]', line: serverLine(1) },
        },
        { chosen: false, reason: 'server name y.b.test is none of its hosts' },
      ],
    })
  })

  test('without a usable certificate refuses the handshake', () => {
    const { outcome, tls, problems } = explained(explainer, 'https://x.b.test/')
    expect(outcome).toMatchObject({ ok: false, status: null })
    expect(outcome.summary).toContain('no certificate')
    expect(tls?.chains[1]?.reason).toBe('x.b.test is more specific')
    expect(problems.map(({ place }) => place.path)).toEqual(['spec.servers[2].tls.credentialName'])
  })

  test.each([
    ['https://a.tets/', 'nearest is a.test'],
    [
      'https://b.test/',
      '*.b.test does not cover b.test itself: a wildcard stands for at least one label',
    ],
  ])('that nobody has is refused: %s', (url, hint) => {
    const { outcome } = explained(explainer, url)
    expect(outcome.summary).toContain('the handshake is refused')
    expect(outcome.hints).toEqual([hint])
  })

  test('is none for an address, which no client sends as server name', () => {
    const { outcome } = explained(explainer, 'https://127.0.0.1/', { headers: { host: 'a.test' } })
    expect(outcome.summary).toContain('sends no TLS server name')
  })
})

test('a host of another server on the same connection is misdirected', () => {
  const { outcome } = explained(explainer, 'https://a.test/', { sni: 'y.b.test' })
  expect(outcome).toMatchObject({ ok: false, status: 421, flag: 'NR' })
  expect(outcome.hints.join()).toContain('under another server name')
})

test('a server with httpsRedirect answers before any rule', () => {
  const found = explained(explainer, 'http://a.test/x?y=1')
  expect(found.outcome).toMatchObject({
    ok: true,
    type: 'redirect',
    status: 301,
    location: 'https://a.test/x?y=1',
  })
  expect([found.rules, found.route]).toEqual([[], null])
})

test('clear text on a TLS port gets no answer', () => {
  const { outcome } = explained(explainer, 'http://a.test:443/')
  expect(outcome).toMatchObject({ ok: false, status: null, hints: ['use https://'] })
})

test('no key is part of an explanation', () => {
  const text = JSON.stringify(explained(explainer, 'https://a.test/'))
  expect(text).not.toContain('PRIVATE KEY')
  expect(text).not.toContain('BEGIN CERTIFICATE')
})

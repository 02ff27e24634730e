import { describe, expect, test } from 'vitest'
import { explained, explainerOf } from '../../test/support/explain.ts'
import { service } from '../../test/support/yaml.ts'

const REGISTRY_ONLY = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' as const } }
const YAML = `${service('web', 9000)}${service('blue', 9001)}apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: outside }
spec:
  hosts: [api.outside.test]
  location: MESH_EXTERNAL
  resolution: DNS
  ports:
  - { number: 80, name: http, protocol: HTTP }
  - { number: 443, name: tls, protocol: TLS }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec:
  hosts: [web]
  http:
  - match: [{ headers: { end-user: { exact: jason } } }]
    route: [{ destination: { host: blue } }]
  - route: [{ destination: { host: web } }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec:
  host: web
  trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } }
---
`
const egress = { egress: true }

describe('under REGISTRY_ONLY', () => {
  const explainer = explainerOf(YAML, { meshConfig: REGISTRY_ONLY })

  test('a declared host is forwarded by the rules bound to mesh', () => {
    const found = explained(explainer, 'http://web:8080/x', egress)
    expect(found.outcome.summary).toBe('forwarded to outbound|8080||web.default.svc.cluster.local')
    expect(found).toMatchObject({
      listener: { key: 'egress', type: 'egress' },
      virtualHost: { name: 'web.default.svc.cluster.local:8080', domain: 'web' },
      rules: [{ verdict: 'rejected' }, { verdict: 'matched', conditions: [] }],
    })
    expect(found.destinations[0]?.details).toMatchObject({
      loadBalancer: 'round-robin',
      destinationRules: [{ kind: 'DestinationRule', name: 'web', path: 'spec.trafficPolicy' }],
    })
  })

  test.each([
    ['http://api.outsied.test/', 'nearest is api.outside.test'],
    ['http://api.outside.test:81/', 'api.outside.test is declared on port 80, 443, not on 81'],
    ['https://api.outside.test:444/', 'api.outside.test is declared on port 80, 443, not on 444'],
  ])('%s is blocked: %s', (url, hint) => {
    const { outcome } = explained(explainer, url, egress)
    expect(outcome).toMatchObject({ ok: false, status: 502, hints: [hint] })
    expect(outcome.summary).toContain('is blocked')
  })

  test.each([
    ['GET', 'https://api.outside.test/x'],
    ['CONNECT', 'api.outside.test:443'],
  ])('%s %s is a tunnel', (method, url) => {
    const found = explained(explainer, url, { ...egress, method })
    expect(found.request).toMatchObject({ method: 'CONNECT', authority: 'api.outside.test:443' })
    expect(found.outcome).toMatchObject({ ok: true, type: 'tunnel' })
    expect(found.destinations).toMatchObject([{ cluster: 'outbound|443||api.outside.test' }])
  })
})

test('under ALLOW_ANY an unknown host goes where it says', () => {
  const explainer = explainerOf(YAML)
  expect(explained(explainer, 'http://any.test/', egress)).toMatchObject({
    outcome: { ok: true, type: 'passthrough' },
    virtualHost: { name: 'allow_any', unknownHost: true },
  })
  expect(explained(explainer, 'https://any.test/', egress).outcome).toMatchObject({
    ok: true,
    type: 'tunnel',
  })
})

import { expect, test } from 'vitest'
import { explained, explainerOf } from '../../test/support/explain.ts'
import { service } from '../../test/support/yaml.ts'
import { NO_EGRESS_CONTROL } from '../compile/egress/egress-control-settings.ts'

const REGISTRY_ONLY = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' as const } }
const YAML = `${service('web', 9000)}apiVersion: v1
kind: Pod
metadata: { name: one, namespace: shop, labels: { app: one } }
status: { podIP: 10.0.0.1 }
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: narrow, namespace: shop }
spec:
  workloadSelector: { labels: { app: one } }
  egress: [{ hosts: ["./*"] }]
  outboundTrafficPolicy: { mode: REGISTRY_ONLY }
---
`

test.each([
  ['GET', 'http://web:8080/'],
  ['CONNECT', 'web:8080'],
])('%s %s is hidden from the Pod whose Sidecar does not import it', (method, url) => {
  const explainer = explainerOf(YAML)
  const from = (address: string) =>
    explained(explainer, url, { egress: true, method, from: address })
  expect(from('10.0.0.9').outcome.ok).toBe(true)
  const { outcome } = from('10.0.0.1')
  expect(outcome).toMatchObject({ ok: false, status: 403 })
  expect(outcome.summary).toContain('Sidecar shop/narrow')
})

test.each([
  ['GET', 'http://nobody.test/', 'passthrough'],
  ['CONNECT', 'nobody.test:443', 'tunnel'],
])('report mode: %s %s passes, and it is said why', (method, url, type) => {
  const explainer = explainerOf(YAML, {
    meshConfig: REGISTRY_ONLY,
    egress: { ...NO_EGRESS_CONTROL, reportOnly: true },
  })
  const { outcome } = explained(explainer, url, { egress: true, method })
  expect(outcome).toMatchObject({ ok: true, type })
  expect(outcome.hints.join()).toContain('--egress-mode report')
})

test('a client that nothing identifies, where such are refused', () => {
  const explainer = explainerOf(YAML, { egress: { ...NO_EGRESS_CONTROL, refuseUnknown: true } })
  const { outcome } = explained(explainer, 'http://web:8080/', { egress: true, from: '10.0.0.9' })
  expect(outcome).toMatchObject({ ok: false, status: 403 })
})

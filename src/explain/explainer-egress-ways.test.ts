import { expect, test } from 'vitest'
import { explained, explainerOf } from '../../test/support/explain.ts'
import { service } from '../../test/support/yaml.ts'

const egress = { egress: true }

test.each([
  ['https://mail.test:25/', { ok: false, status: 403 }, 'egress-connect-ports=common leaves out'],
  ['https://web.test/', { ok: true, type: 'tunnel' }, 'PassthroughCluster'],
])('ALLOW_ANY: a tunnel for %s', (url, outcome, text) => {
  const found = explained(explainerOf(''), url, egress).outcome
  expect(found).toMatchObject(outcome)
  expect(found.summary).toContain(text)
})

test.each([
  ['squid', { ok: true }, 'through outbound|8080||squid.default.svc.cluster.local'],
  ['gone', { ok: false, status: 503 }, 'which does not exist'],
])('egressProxy %s takes undeclared hosts', (name, outcome, text) => {
  const egressProxy = { host: `${name}.default.svc.cluster.local`, port: { number: 8080 } }
  const meshConfig = { outboundTrafficPolicy: { mode: 'ALLOW_ANY' as const, egressProxy } }
  const explainer = explainerOf(service('squid', 9000), { meshConfig })
  for (const url of ['http://far.test/', 'https://far.test/']) {
    const found = explained(explainer, url, egress).outcome
    expect(found).toMatchObject(outcome)
    expect(found.summary).toContain(text)
  }
  expect(explained(explainer, 'http://squid:8080/', egress).outcome.summary).toBe(
    'forwarded to outbound|8080||squid.default.svc.cluster.local',
  )
})

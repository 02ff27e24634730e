import { expect, test } from 'vitest'
import { explained, explainerOf, type ExplainSetup } from '../../test/support/explain.ts'
import { gateway, virtualService } from '../../test/support/yaml.ts'

const ANSWER = '  - directResponse: { status: 200 }'
const GATEWAYS = gateway('gw', ['a.test', '*.b.test']) + gateway('later', ['a.test'], 8080)
const MAIN = virtualService('main', ['a.test'], ['gw'], ANSWER)

function spec(name: string, fields: string, namespace = 'default'): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${fields}
---
`
}

interface Row {
  readonly name: string
  readonly yaml: string
  readonly url?: string
  readonly setup?: ExplainSetup
  readonly path: string
  readonly reason: string
}

const rows: Row[] = [
  {
    name: 'bound to another Gateway',
    yaml: MAIN + virtualService('x', ['a.test'], ['later'], ANSWER),
    path: 'spec.gateways',
    reason: 'it is bound to default/later; this request came in on default/gw',
  },
  {
    name: 'bound to a Gateway that does not exist',
    yaml: MAIN + virtualService('x', ['a.test'], ['gone'], ANSWER),
    path: 'spec.gateways',
    reason: 'it names Gateway default/gone, which does not exist',
  },
  {
    name: 'bound to nothing but the mesh',
    yaml: MAIN + spec('x', '{ hosts: [a.test], http: [{ directResponse: { status: 200 } }] }'),
    path: 'spec',
    reason: 'it names no gateways, which means mesh; this request came in on default/gw',
  },
  {
    name: 'hidden by exportTo',
    yaml:
      MAIN +
      spec(
        'x',
        '{ hosts: [a.test], gateways: [gw], exportTo: ["."], http: [{ directResponse: { status: 200 } }] }',
      ),
    path: 'spec.exportTo',
    reason: 'exportTo hides it from namespace istio-system, where the gateway stands',
  },
  {
    name: 'a wildcard beside a host of its own',
    yaml:
      virtualService('own', ['x.b.test'], ['gw'], ANSWER) +
      virtualService('x', ['*.b.test'], ['gw'], ANSWER),
    url: 'http://x.b.test/',
    path: 'spec.hosts[0]',
    reason:
      'its host *.b.test is less specific than x.b.test: rules of different hosts are never combined',
  },
  {
    name: 'a rule for another port',
    yaml: virtualService(
      'x',
      ['a.test'],
      ['gw'],
      `  - match: [{ port: 8080 }]
    directResponse: { status: 200 }
${ANSWER}`,
    ),
    path: 'spec.http[0].match[0]',
    reason: 'match.port is 8080, this is port 80',
  },
  {
    name: 'a rule for another Gateway',
    yaml: virtualService(
      'x',
      ['a.test'],
      ['gw'],
      `  - match: [{ gateways: [later] }]
    directResponse: { status: 200 }
${ANSWER}`,
    ),
    path: 'spec.http[0].match[0]',
    reason: 'match.gateways names later, this request came in on default/gw',
  },
  {
    name: 'a rule for other workloads',
    yaml: virtualService(
      'x',
      ['a.test'],
      ['gw'],
      `  - match: [{ sourceLabels: { app: web } }]
    directResponse: { status: 200 }
${ANSWER}`,
    ),
    path: 'spec.http[0].match[0]',
    reason:
      'sourceLabels app=web are compared with the gateway itself, never with the client, and are not its own',
  },
  {
    name: 'a rule behind one that takes every request',
    yaml: virtualService('x', ['a.test'], ['gw'], `${ANSWER}\n${ANSWER}`),
    path: 'spec.http[1]',
    reason: 'it stands behind spec.http[0] (test.yaml:24), which takes every request',
  },
  {
    name: 'a short name',
    yaml: MAIN + virtualService('x', ['web'], ['gw'], ANSWER),
    url: 'http://web/',
    path: 'spec.hosts[0]',
    reason:
      'its host web has no dot, so it means web.default.svc.cluster.local, which the request does not ask for',
  },
]

test.each(rows)('$name', ({ yaml, url, setup, path, reason }) => {
  const { elsewhere } = explained(explainerOf(GATEWAYS + yaml, setup), url ?? 'http://a.test/')
  expect(elsewhere.map((hint) => [hint.place.path, hint.reason])).toEqual([[path, reason]])
})

test('a host that the Gateway keeps for another namespace', () => {
  const yaml = gateway('gw', ['shop/a.test']) + MAIN
  const { elsewhere, outcome } = explained(explainerOf(yaml), 'http://a.test/')
  expect(outcome.status).toBe(404)
  expect(elsewhere).toMatchObject([
    { reason: 'the Gateway admits a.test only from VirtualServices of namespace shop' },
  ])
})

test('inside the mesh a host belongs to the older VirtualService alone', () => {
  const old = spec('old', '{ hosts: [a.test], http: [{ directResponse: { status: 200 } }] }')
  const young = spec('young', '{ hosts: [a.test], http: [{ directResponse: { status: 201 } }] }')
  const found = explained(explainerOf(old + young), 'http://a.test/', { egress: true })
  expect(found.outcome.status).toBe(200)
  expect(found.elsewhere).toMatchObject([{ place: { name: 'young' } }])
})

test('nothing is told where everything applies', () => {
  expect(explained(explainerOf(GATEWAYS + MAIN), 'http://a.test/').elsewhere).toEqual([])
})

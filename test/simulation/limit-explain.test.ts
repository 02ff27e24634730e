import { expect, test } from 'vitest'
import { createRateLimit } from '../../plugins/rate-limit/index.ts'
import { ResourceStore } from '../../src/config/store.ts'
import { CallProblem } from '../../src/explain/call.ts'
import { explainLimits } from '../../src/explain/limit-explainer.ts'
import type { LimitExplanation } from '../../src/explain/limit-explanation.ts'
import { limitText } from '../../src/explain/limit-text.ts'
import { type CallSketch, callOf, type ExplainSetup, explainerOf } from '../support/explain.ts'
import { limitedByAll } from '../support/seen-limits.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

/** Which limits a call meets, of one YAML text called `test.yaml`. */
async function limitsOf(
  yaml: string,
  url: string,
  { setup = {}, ...sketch }: CallSketch & { readonly setup?: ExplainSetup } = {},
): Promise<LimitExplanation> {
  const { factories } = createRateLimit({ redisUrl: null, log: () => {}, now: () => 1e12 })
  const trace = explainerOf(yaml, { filterFactories: factories, ...setup }).trace(
    callOf(url, sketch),
  )
  if (trace instanceof CallProblem) throw new Error(trace.message)
  const files = [{ path: 'test.yaml', text: yaml, error: null }]
  const { set } = new ResourceStore({ compat: false }).load(files)
  return explainLimits(trace, { set, look: true })
}

const ALL = Object.values(limitedByAll(9)).join('')

test('rules and limits carry the file and line where they stand', async () => {
  const { filters } = await limitsOf(ALL, 'http://app.test/', { headers: { 'x-user': 'ann' } })
  const lines = ALL.split('\n')
  const rules = filters.flatMap((filter) => filter.rules)
  const limit = rules.find(({ rule }) => rule === 'user')
  expect(limit?.limitPlace).toMatchObject({ kind: 'ConfigMap', name: 'limits', file: 'test.yaml' })
  expect(lines[(limit?.limitPlace?.line ?? 0) - 1]).toBe('    - key: user')
  const gold = rules.find(({ rule }) => rule === 'gold')
  expect(gold?.place).toMatchObject({ kind: 'RateLimitPolicy', path: 'spec.rules[2]' })
  expect(lines[(gold?.place?.line ?? 0) - 1]).toBe('  - name: gold')
})

test('a descriptor file given by flag is a file of its own', async () => {
  const text =
    'domain: edge\ndescriptors:\n- { key: user, rate_limit: { unit: day, requests_per_unit: 7 } }\n'
  const view = {
    namespace: '',
    name: 'd.yaml',
    data: { 'd.yaml': text },
    file: '/etc/d.yaml',
    line: 1,
  }
  const [yaml = ''] = Object.values(limitedByAll(9))
  const { filters } = await limitsOf(yaml, 'http://app.test/', {
    headers: { 'x-user': 'ann' },
    setup: { rateLimitConfigs: [view] },
  })
  const limit = filters.flatMap(({ rules }) => rules).find(({ rule }) => rule === 'user')
  expect(limit?.limitPlace).toMatchObject({ file: '/etc/d.yaml', line: 3 })
})

test.each([
  ['no route', 'http://other.test/', 'not limited: no route takes the request'],
  ['a route without limits', 'http://free.test/', 'not limited: the route has no limits'],
])('%s', async (_name, url, text) => {
  const yaml = [
    service('free', 9),
    gateway('other', ['free.test']),
    virtualService('free', ['free.test'], ['other'], '  - redirect: { uri: /x }'),
  ].join('')
  const found = await limitsOf(yaml, url)
  expect(found.decision).toBe('none')
  expect(limitText(found)).toContain(`=> ${text}\n`)
})

test('requests to the egress proxy meet the limits of ServiceEntries', async () => {
  const yaml = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api }
spec:
  hosts: [api.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: DNS
---
apiVersion: tidegate.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: out }
spec:
  targetRef: { kind: ServiceEntry, name: api }
  rules:
  - { name: each, match: { source: { distinct: true } }, limits: [{ requests: 1, per: 1h }] }
---
`
  const egress = { egress: true, from: '2001:db8::7' }
  const found = await limitsOf(yaml, 'http://api.example.com/', egress)
  expect(found.decision).toBe('allow')
  expect(found.filters).toMatchObject([
    { kind: 'policy', rules: [{ rule: 'each', entries: [['source', '2001:db8::/64']] }] },
  ])
  const tunnel = await limitsOf(yaml, 'https://api.example.com/', egress)
  expect(tunnel.decision).toBe('none')
})

test('no text of a request steers a terminal', async () => {
  const found = await limitsOf(ALL, 'http://app.test/', { headers: { 'x-user': '\u009b2Jann' } })
  expect(found.filters[0]?.rules[0]?.entries).toEqual([['user', '\u009b2Jann']])
  expect(limitText(found)).not.toContain('\u009b')
})

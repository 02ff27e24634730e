import { expect, test } from 'vitest'
import { BuiltInFilters } from '../../src/process/built-in-filters.ts'
import { CallProblem } from '../../src/explain/call.ts'
import { explainLimits } from '../../src/explain/limit-explainer.ts'
import type { LimitExplanation } from '../../src/explain/limit-explanation.ts'
import { requestAuthentication } from '../support/authentication.ts'
import { callOf, explainerOf } from '../support/explain.ts'
import { rawToken } from '../support/jwt.ts'
import { gateway, virtualService } from '../support/yaml.ts'

const YAML =
  gateway('gw', ['app.test']) +
  virtualService('app', ['app.test'], ['gw'], '  - directResponse: { status: 200 }') +
  requestAuthentication('jwt', 'issuer: me, jwksUri: "https://keys.test/"') +
  `apiVersion: tidegate.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: limits }
spec:
  targetRef: { kind: VirtualService, name: app }
  rules: [{ name: each, match: { claims: { plan: { exact: free }, sub: { distinct: true } } }, limits: [{ requests: 5, per: 60s }] }]
`

/** Which limits a request with these claims meets; null: without a token. */
async function limitsOf(claims: object | null): Promise<LimitExplanation> {
  const { factories, jwt } = BuiltInFilters.forCompilation()
  const explainer = explainerOf(YAML, { filterFactories: factories, authenticators: jwt })
  const headers =
    claims === null ? {} : { authorization: `Bearer ${rawToken({ alg: 'RS256' }, claims)}` }
  const trace = explainer.trace(callOf('http://app.test/', { headers }))
  if (trace instanceof CallProblem) throw new Error(trace.message)
  return explainLimits(trace, { set: null, look: false })
}

test('limit explain tells which counter a claim leads to', async () => {
  const [filter] = (await limitsOf({ iss: 'me', plan: 'free', sub: 'ann' })).filters
  expect(filter?.rules).toMatchObject([
    { rule: 'each', applies: true, entries: [['claims.sub', 'ann']] },
  ])
})

test.each([
  ['no token', null, /claims\.plan exact free/],
  ['another plan', { iss: 'me', plan: 'gold', sub: 'ann' }, /claims\.plan exact free/],
  ['no subject', { iss: 'me', plan: 'free' }, /claims\.sub present/],
])('limit explain tells why a rule does not apply: %s', async (_name, claims, reason) => {
  const [filter] = (await limitsOf(claims)).filters
  expect(filter?.rules[0]).toMatchObject({ applies: false })
  expect(filter?.rules[0]?.reason).toMatch(reason)
})

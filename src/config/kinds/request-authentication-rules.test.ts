import fc from 'fast-check'
import { expect, test } from 'vitest'
import { resourceOf } from '../../../test/support/resource.ts'
import { shapedValue } from '../../../test/support/shaped-value.ts'
import type { Problem } from '../problems.ts'
import { Reporter } from '../reporter.ts'
import type { Resource } from '../resource.ts'
import { validateRequestAuthentication } from './request-authentication-rules.ts'
import {
  requestAuthenticationSchema,
  type RequestAuthenticationSpec,
} from './request-authentication.ts'

function problemsOf(spec: unknown): readonly Problem[] {
  const problems: Problem[] = []
  const resource = resourceOf('RequestAuthentication', spec) as Resource<RequestAuthenticationSpec>
  validateRequestAuthentication(resource, new Reporter(resource, problems), { compat: false })
  return problems
}

test('no well-shaped value makes validate throw', () => {
  fc.assert(
    fc.property(shapedValue(requestAuthenticationSchema), (spec) => {
      for (const { message } of problemsOf(spec)) expect(message).not.toBe('')
    }),
    { numRuns: 150 },
  )
})

test('a resource holds so many rules, and a key set so many keys', () => {
  const rule = { issuer: 'https://a.test' }
  const many = (count: number): unknown => Array.from({ length: count }, () => rule)
  expect(problemsOf({ jwtRules: many(64) })).toEqual([])
  expect(problemsOf({ jwtRules: many(65) })).toMatchObject([{ code: 'too-many-jwt-rules' }])
  const keys = Array.from({ length: 65 }, () => ({ kty: 'RSA' }))
  const jwks = JSON.stringify({ keys })
  expect(problemsOf({ jwtRules: [{ issuer: 'me', jwks }] })).toMatchObject([
    { code: 'invalid-jwks' },
  ])
})

test('two rules may write one header, which the token decides', () => {
  const outputs = [{ header: 'x-user', claim: 'sub' }]
  const rules = ['https://a.test', 'https://b.test'].map((issuer) => {
    return { issuer, outputClaimToHeaders: outputs }
  })
  expect(problemsOf({ jwtRules: rules })).toEqual([])
})

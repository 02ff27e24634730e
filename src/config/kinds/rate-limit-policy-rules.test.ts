import fc from 'fast-check'
import { expect, test } from 'vitest'
import { resourceOf } from '../../../test/support/resource.ts'
import { shapedValue } from '../../../test/support/shaped-value.ts'
import { formatPath, type Problem } from '../problems.ts'
import { rateLimitPolicyProblems } from '../problem-catalogue/rate-limit-policy.ts'
import { Reporter } from '../reporter.ts'
import type { Resource } from '../resource.ts'
import { ResourceStore } from '../store.ts'
import { validateRateLimitPolicy } from './rate-limit-policy-rules.ts'
import { type RateLimitPolicySpec, rateLimitPolicySchema } from './rate-limit-policy.ts'

const TARGET = 'targetRef: { kind: VirtualService, name: app }'
const LIMITS = 'limits: [{ requests: 5, per: 1s }]'

function load(spec: string, head = 'tidegate.dev/v1alpha1', kind = 'RateLimitPolicy') {
  const text = `apiVersion: ${head}\nkind: ${kind}\nmetadata: { name: p }\nspec: { ${spec} }\n`
  return new ResourceStore({ compat: false }).load([{ path: 'test.yaml', text, error: null }])
}

function found(spec: string): string[] {
  return load(spec).problems.map(
    ({ severity, code, path }) => `${severity} ${code} ${formatPath(path)}`,
  )
}

test('a whole policy is accepted', () => {
  const { set, problems } = load(`
    targetRef: { group: networking.istio.io, kind: VirtualService, name: app, sectionName: api },
    algorithm: slidingWindow, onFailure: deny, timeout: 50ms,
    response: { headers: ietf, problemJson: true, ruleHeader: true },
    rules: [{
      name: per-client, shadow: true, cost: { number: 2, header: x-cost, maximum: 5 },
      match: {
        headers: { x-tier: { exact: free }, x-user: { regex: "[a-z]+", distinct: true } },
        queryParams: { debug: { invert: true } }, method: { prefix: P }, path: { prefix: /api },
        source: { cidrs: [10.0.0.0/8, "2001:db8::/32"], distinct: true, ipv4PrefixLength: 24, ipv6PrefixLength: 56 } },
      limits: [{ requests: 100, per: 1m }, { requests: 50, per: 1s, burst: 10, algorithm: gcra }] }]`)
  expect(problems).toEqual([])
  expect(set.rateLimitPolicies.map(({ metadata }) => metadata.name)).toEqual(['p'])
})

const rule = (fields: string): string => `${TARGET}, rules: [{ name: r, ${fields} }]`

const CASES: readonly (readonly [name: string, spec: string, expected: readonly string[]])[] = [
  ['no target', `rules: [{ name: r, ${LIMITS} }]`, ['error missing-field spec.targetRef']],
  [
    'a section of a Gateway',
    `targetRef: { kind: Gateway, name: g, sectionName: https }, rules: [{ name: r, ${LIMITS} }]`,
    ['error invalid-target spec.targetRef.sectionName'],
  ],
  [
    'a group of other people',
    `targetRef: { group: gateway.networking.k8s.io, kind: Gateway, name: g }, rules: [{ name: r, ${LIMITS} }]`,
    ['error invalid-target spec.targetRef.group'],
  ],
  ['no rules', TARGET, ['error missing-field spec.rules']],
  [
    'a rule without name',
    `${TARGET}, rules: [{ ${LIMITS} }]`,
    ['error missing-field spec.rules[0].name'],
  ],
  [
    'a name that would need escaping',
    `${TARGET}, rules: [{ name: 'a"b', ${LIMITS} }]`,
    ['error invalid-rule-name spec.rules[0].name'],
  ],
  [
    'a name twice',
    `${TARGET}, rules: [{ name: r, ${LIMITS} }, { name: r, ${LIMITS} }]`,
    ['error duplicate-rule-name spec.rules[1].name'],
  ],
  [
    'claims of a token',
    rule(`${LIMITS}, match: { claims: { sub: { distinct: true }, "[a.b][c]": {} } }`),
    [],
  ],
  [
    'two kinds of match',
    rule(`${LIMITS}, match: { path: { exact: /a, prefix: /b } }`),
    ['error conflicting-fields spec.rules[0].match.path'],
  ],
  [
    'inverted and distinct',
    rule(`${LIMITS}, match: { path: { invert: true, distinct: true } }`),
    ['error conflicting-fields spec.rules[0].match.path'],
  ],
  [
    'an expression that RE2 does not have',
    rule(`${LIMITS}, match: { headers: { a: { regex: "(?=a)" } } }`),
    ['error invalid-regex spec.rules[0].match.headers.a.regex'],
  ],
  [
    'a pseudo header',
    rule(`${LIMITS}, match: { headers: { ":path": { exact: a } } }`),
    ['error invalid-header-name spec.rules[0].match.headers[":path"]'],
  ],
  [
    'a block that is none',
    rule(`${LIMITS}, match: { source: { cidrs: [10.0.0.0/33] } }`),
    ['error invalid-cidr spec.rules[0].match.source.cidrs[0]'],
  ],
  [
    'a source that asks for nothing',
    rule(`${LIMITS}, match: { source: {} }`),
    ['warning empty-match spec.rules[0].match.source'],
  ],
  ['no limits', rule('shadow: true'), ['error missing-field spec.rules[0].limits']],
  [
    'a limit of nothing',
    rule('limits: [{ requests: 0, per: 1s }]'),
    ['error invalid-number spec.rules[0].limits[0].requests'],
  ],
  [
    'a period that is too short',
    rule('limits: [{ requests: 1, per: 1us }]'),
    ['error invalid-duration spec.rules[0].limits[0].per'],
  ],
  [
    'a burst without GCRA',
    rule('limits: [{ requests: 9, per: 1s, burst: 2, algorithm: fixedWindow }]'),
    ['error conflicting-fields spec.rules[0].limits[0].burst'],
  ],
  [
    'a period twice',
    rule('limits: [{ requests: 9, per: 60s }, { requests: 2, per: 1m }]'),
    ['error duplicate-limit spec.rules[0].limits[1].per'],
  ],
  [
    'a cost from a header without maximum',
    rule(`${LIMITS}, cost: { header: x-cost }`),
    ['error missing-field spec.rules[0].cost.maximum'],
  ],
  [
    'a cost that never fits',
    rule(`${LIMITS}, cost: { header: x-cost, maximum: 6 }`),
    ['error cost-never-fits spec.rules[0].cost'],
  ],
  [
    'obey alone needs no rules',
    `${TARGET}, upstream: { obey: true, maxDelay: 10m, queue: { maxWait: 2s, maxRequests: 100 } }`,
    [],
  ],
  [
    'settings of an upstream that is not obeyed',
    `${TARGET}, upstream: { maxDelay: 10m }, rules: [{ name: r, ${LIMITS} }]`,
    ['error missing-field spec.upstream.obey'],
  ],
  [
    'an upstream obeyed for too long',
    `${TARGET}, upstream: { obey: true, maxDelay: 25h, queue: { maxWait: 61s, maxRequests: 0 } }`,
    [
      'error invalid-duration spec.upstream.maxDelay',
      'error invalid-duration spec.upstream.queue.maxWait',
      'error invalid-number spec.upstream.queue.maxRequests',
    ],
  ],
  ['a queue', rule(`${LIMITS}, queue: { maxWait: 2s, maxRequests: 100 }`), []],
  ['a queue with defaults', rule(`${LIMITS}, queue: {}`), []],
  [
    'a queue that is too long',
    rule(`${LIMITS}, queue: { maxWait: 0s, maxRequests: 1001 }`),
    [
      'error invalid-duration spec.rules[0].queue.maxWait',
      'error invalid-number spec.rules[0].queue.maxRequests',
    ],
  ],
  [
    'a queue of a shadow',
    rule(`${LIMITS}, shadow: true, queue: {}`),
    ['error conflicting-fields spec.rules[0].queue'],
  ],
  [
    'a lease',
    rule('limits: [{ requests: 5, per: 1s, algorithm: fixedWindow, lease: { maximum: 5 } }]'),
    [],
  ],
  [
    'a lease of GCRA',
    rule('limits: [{ requests: 5, per: 1s, lease: { maximum: 5 } }]'),
    ['error conflicting-fields spec.rules[0].limits[0].lease'],
  ],
  [
    'a lease without maximum',
    rule('limits: [{ requests: 5, per: 1s, algorithm: fixedWindow, lease: {} }]'),
    ['error missing-field spec.rules[0].limits[0].lease.maximum'],
  ],
  [
    'a lease of more than there is',
    rule('limits: [{ requests: 5, per: 1s, algorithm: fixedWindow, lease: { maximum: 6 } }]'),
    ['error invalid-number spec.rules[0].limits[0].lease.maximum'],
  ],
  [
    'too many rules',
    `${TARGET}, rules: [${Array.from({ length: 65 }, (_, i) => `{ name: r${i}, ${LIMITS} }`).join(', ')}]`,
    ['error rate-limit-policy-too-large spec.rules'],
  ],
  [
    'too long a timeout',
    `${TARGET}, timeout: 11s, rules: [{ name: r, ${LIMITS} }]`,
    ['error invalid-duration spec.timeout'],
  ],
]

test.each(CASES)('%s', (_name, spec, expected) => {
  expect(found(spec)).toEqual(expected)
})

test('every code of the chapter is met, but the one of compilation', () => {
  const met = new Set(CASES.flatMap(([, , lines]) => lines.map((line) => line.split(' ')[1])))
  // Those of compilation have tests there.
  met.add('rate-limit-policy-unmatched').add('rate-limit-never-enabled')
  expect(Object.keys(rateLimitPolicyProblems).filter((code) => !met.has(code))).toEqual([])
})

test.each([
  ['tidegate.dev/v1', 'RateLimitPolicy', 'write tidegate.dev/v1alpha1'],
  ['tidegate.dev/v1alpha1', 'RateLimitPolicies', 'did you mean RateLimitPolicy?'],
])('%s %s is a mistake with a hint', (apiVersion, kind, hint) => {
  const [problem] = load(rule(LIMITS), apiVersion, kind).problems
  expect(problem).toMatchObject({ severity: 'error', hint })
})

test('no well-shaped value makes validate throw', () => {
  fc.assert(
    fc.property(shapedValue(rateLimitPolicySchema), (spec) => {
      const problems: Problem[] = []
      const resource = resourceOf('RateLimitPolicy', spec) as Resource<RateLimitPolicySpec>
      validateRateLimitPolicy(resource, new Reporter(resource, problems), { compat: false })
      for (const { message } of problems) expect(message).not.toBe('')
    }),
    { numRuns: 150 },
  )
})

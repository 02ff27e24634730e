import { expect, test } from 'vitest'
import { askWith, authenticatedApp, requestAuthentication } from '../support/authentication.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { keySet, testKey } from '../support/jwt.ts'
import { startUpstream } from '../support/upstream.ts'

const key = await testKey('one')

const JWT = requestAuthentication('jwt', `issuer: me, jwks: '${keySet(key)}'`)

function policy(claims: string): string {
  return `apiVersion: tidegate.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: limits }
spec:
  targetRef: { kind: VirtualService, name: app }
  rules: [{ name: each, match: { claims: ${claims} }, limits: [{ requests: 1, per: 8760h }] }]
---
`
}

type Claims = Record<string, unknown> | null

/** Statuses of requests with these claims, one after the other; null: without a token. */
async function statuses(gw: TestGateway, requests: readonly Claims[]): Promise<readonly number[]> {
  const seen: number[] = []
  for (const claims of requests) {
    const token = claims === null ? null : await key.sign({ iss: 'me', ...claims })
    seen.push((await askWith(gw, token)).status)
  }
  return seen
}

const cases: readonly (readonly [string, string, readonly Claims[], readonly number[]])[] = [
  [
    'every user has a counter, and nobody without a token has one',
    '{ sub: { distinct: true } }',
    [{ sub: 'ann' }, { sub: 'bob' }, { sub: 'ann' }, null, null, {}, {}],
    [200, 200, 429, 200, 200, 200, 200],
  ],
  [
    'users of one plan share a counter',
    '{ plan: { exact: free } }',
    [{ plan: 'free' }, { plan: 'free' }, { plan: 'gold' }, { plan: 'gold' }, null],
    [200, 429, 200, 200, 200],
  ],
  [
    'one element of a list is enough',
    '{ "[realm][roles]": { regex: "guest|trial" } }',
    [
      { realm: { roles: ['a', 'guest'] } },
      { realm: { roles: ['trial'] } },
      { realm: { roles: [] } },
    ],
    [200, 429, 200],
  ],
  [
    'scopes are words',
    '{ scope: { exact: write } }',
    [{ scope: 'read write' }, { scope: 'write' }, { scope: 'read' }],
    [200, 429, 200],
  ],
  [
    'inverted: whoever has not the claim, token or not',
    '{ plan: { exact: gold, invert: true } }',
    [null, { plan: 'free' }, { plan: 'gold' }, { plan: 'gold' }],
    [200, 429, 200, 200],
  ],
  [
    'numbers and truth values have a text',
    '{ level: { exact: "3" }, trial: { exact: "true" } }',
    [
      { level: 3, trial: true },
      { level: 3, trial: true },
      { level: 4, trial: true },
    ],
    [200, 429, 200],
  ],
  [
    'a distinct list counts as a whole, and so does an object whatever its order',
    '{ who: { distinct: true } }',
    [
      { who: ['a', 'b'] },
      { who: ['a', 'b'] },
      { who: ['a'] },
      { who: { x: 1, y: 2 } },
      { who: { y: 2, x: 1 } },
    ],
    [200, 429, 200, 200, 429],
  ],
]

test.each(cases)('%s', async (_name, claims, requests, expected) => {
  await using upstream = await startUpstream('app')
  await using gw = await startGateway(authenticatedApp(upstream.port, [JWT, policy(claims)]))
  expect(await statuses(gw, requests)).toEqual(expected)
})

test('a forged token counts for nobody: it is refused before', async () => {
  const forger = await testKey('one')
  await using upstream = await startUpstream('app')
  await using gw = await startGateway(
    authenticatedApp(upstream.port, [JWT, policy('{ sub: { distinct: true } }')]),
  )
  expect((await askWith(gw, await forger.sign({ iss: 'me', sub: 'ann' }))).status).toBe(401)
  expect(await statuses(gw, [{ sub: 'ann' }])).toEqual([200])
})

test('without RequestAuthentication a token says nothing', async () => {
  await using upstream = await startUpstream('app')
  await using gw = await startGateway(
    authenticatedApp(upstream.port, [policy('{ sub: { distinct: true } }')]),
  )
  expect(await statuses(gw, [{ sub: 'ann' }, { sub: 'ann' }])).toEqual([200, 200])
})

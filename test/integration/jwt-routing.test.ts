import { describe, expect, test } from 'vitest'
import { problemsOf } from '../support/admin-view.ts'
import { askWith, authenticatedApp, requestAuthentication } from '../support/authentication.ts'
import { startGateway } from '../support/gateway.ts'
import { keySet, testKey } from '../support/jwt.ts'
import { startUpstream } from '../support/upstream.ts'

const key = await testKey('one')
const JWT = requestAuthentication('jwt', `issuer: me, jwks: '${keySet(key)}'`)

/** Rules with `match` in flow style that answer 201, 202, ...; nothing matched is 404. */
function routes(...matches: readonly string[]): string {
  return matches
    .map((match, i) => `  - { match: [${match}], directResponse: { status: ${201 + i} } }`)
    .join('\n')
}

type Claims = Record<string, unknown> | null

const CLAIM = '@request.auth.claims'

const cases: readonly (readonly [name: string, match: string, claims: Claims, taken: boolean])[] = [
  ['exact', `{ headers: { "${CLAIM}.group": { exact: admin } } }`, { group: 'admin' }, true],
  [
    'exact, another',
    `{ headers: { "${CLAIM}.group": { exact: admin } } }`,
    { group: 'adm' },
    false,
  ],
  ['exact, no token', `{ headers: { "${CLAIM}.group": { exact: admin } } }`, null, false],
  [
    'names have a case',
    `{ headers: { "${CLAIM}.Group": { exact: admin } } }`,
    { group: 'admin' },
    false,
  ],
  ['prefix', `{ headers: { "${CLAIM}.group": { prefix: adm } } }`, { group: 'admin' }, true],
  ['regex', `{ headers: { "${CLAIM}.group": { regex: "a|b+" } } }`, { group: 'bbb' }, true],
  ['presence', `{ headers: { "${CLAIM}.group": {} } }`, { group: '' }, true],
  ['presence, absent', `{ headers: { "${CLAIM}.group": {} } }`, { other: 1 }, false],
  ['nested by dots', `{ headers: { "${CLAIM}.a.b": { exact: x } } }`, { a: { b: 'x' } }, true],
  [
    'nested by brackets',
    `{ headers: { "${CLAIM}[a.c][b]": { exact: x } } }`,
    { 'a.c': { b: 'x' } },
    true,
  ],
  ['one of a list', `{ headers: { "${CLAIM}.group": { exact: x } } }`, { group: ['y', 'x'] }, true],
  [
    'none of a list',
    `{ headers: { "${CLAIM}.group": { exact: x } } }`,
    { group: ['y', 'z'] },
    false,
  ],
  ['a word of scope', `{ headers: { "${CLAIM}.scope": { exact: w } } }`, { scope: 'r w' }, true],
  ['a truth value', `{ headers: { "${CLAIM}.paid": { exact: "true" } } }`, { paid: true }, true],
  [
    'without, another',
    `{ withoutHeaders: { "${CLAIM}.group": { exact: x } } }`,
    { group: 'y' },
    true,
  ],
  [
    'without, the same',
    `{ withoutHeaders: { "${CLAIM}.group": { exact: x } } }`,
    { group: 'x' },
    false,
  ],
  ['without, absent', `{ withoutHeaders: { "${CLAIM}.group": { exact: x } } }`, {}, true],
  ['without, no token', `{ withoutHeaders: { "${CLAIM}.group": { exact: x } } }`, null, true],
  [
    'without, in a list',
    `{ withoutHeaders: { "${CLAIM}.group": { exact: x } } }`,
    { group: ['y', 'x'] },
    false,
  ],
  [
    'without, not in a list',
    `{ withoutHeaders: { "${CLAIM}.group": { exact: x } } }`,
    { group: ['y'] },
    true,
  ],
  ['without presence', `{ withoutHeaders: { "${CLAIM}.group": {} } }`, { group: 'x' }, false],
  [
    'with a path too',
    `{ uri: { prefix: /b }, headers: { "${CLAIM}.group": {} } }`,
    { group: 'x' },
    false,
  ],
]

describe('a match on a claim', () => {
  test.each(cases)('%s', async (_name, match, claims, taken) => {
    await using gw = await startGateway(authenticatedApp(1, [JWT], routes(match, '{}')))
    const token = claims === null ? null : await key.sign({ iss: 'me', ...claims })
    expect((await askWith(gw, token, { path: '/a' })).status).toBe(taken ? 201 : 202)
    expect((await problemsOf(gw)).map(({ code }) => code)).not.toContain(
      'claims-without-authentication',
    )
  })
})

test('an unverified token chooses no route', async () => {
  const forger = await testKey('one')
  const match = `{ headers: { "${CLAIM}.group": { exact: admin } } }`
  await using gw = await startGateway(authenticatedApp(1, [JWT], routes(match, '{}')))
  expect((await askWith(gw, await forger.sign({ iss: 'me', group: 'admin' }))).status).toBe(401)
})

test('where nobody validates tokens a claim is a finding, and never matches', async () => {
  const match = `{ headers: { "${CLAIM}.group": { exact: admin } } }`
  await using gw = await startGateway(authenticatedApp(1, [], routes(match, '{}')))
  expect((await askWith(gw, await key.sign({ iss: 'me', group: 'admin' }))).status).toBe(202)
  expect((await problemsOf(gw)).map(({ code }) => code)).toContain('claims-without-authentication')
})

test('the route that a claim chooses gets the request as it was sent, its body too', async () => {
  await using upstream = await startUpstream('app')
  const rules = `  - { match: [{ headers: { "${CLAIM}.group": { exact: admin } } }], route: [{ destination: { host: app } }] }`
  await using gw = await startGateway(authenticatedApp(upstream.port, [JWT], rules))
  const token = await key.sign({ iss: 'me', group: 'admin' })
  const body = 'x'.repeat(200_000)
  const sent = { method: 'POST', body, path: '/p?q=1' }
  expect((await askWith(gw, token, sent)).status).toBe(200)
  expect((await askWith(gw, token, sent)).status).toBe(200)
  expect(upstream.seen.map(({ url, body: got }) => [url, got.length])).toEqual([
    ['/p?q=1', 200_000],
    ['/p?q=1', 200_000],
  ])
})

import { describe, expect, test } from 'vitest'
import { loggedExchanges } from '../support/access-log.ts'
import { askWith, authenticatedApp, requestAuthentication } from '../support/authentication.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import {
  inSeconds,
  type IssuerServer,
  keySet,
  rawToken,
  startIssuer,
  testKey,
} from '../support/jwt.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const key = await testKey('one')
const forger = await testKey('one')
const elliptic = await testKey('curve', 'ES256')
const edwards = await testKey('edwards', 'EdDSA')

const INLINE = `issuer: me, jwks: '${keySet(key, elliptic, edwards)}'`

interface Served extends AsyncDisposable {
  readonly gw: TestGateway
  readonly upstream: Upstream
}

async function serve(...documents: readonly string[]): Promise<Served> {
  const upstream = await startUpstream('app')
  const gw = await startGateway(authenticatedApp(upstream.port, documents))
  return {
    gw,
    upstream,
    async [Symbol.asyncDispose]() {
      await gw[Symbol.asyncDispose]()
      await upstream[Symbol.asyncDispose]()
    },
  }
}

const valid = (): Record<string, unknown> => ({ iss: 'me', sub: 'ann', exp: inSeconds(300) })

describe('tokens of a rule with inline keys', () => {
  const audience = `${INLINE}, audiences: [shop, "https://api.test/"]`
  const cases: readonly (readonly [
    name: string,
    token: () => string | Promise<string> | null,
    status: number,
    body: string,
    rule?: string,
  ])[] = [
    ['no token passes', () => null, 200, 'app'],
    ['RS256 passes', () => key.sign(valid()), 200, 'app'],
    ['ES256 passes', () => elliptic.sign(valid()), 200, 'app'],
    ['EdDSA passes', () => edwards.sign(valid()), 200, 'app'],
    ['without exp passes', () => key.sign({ iss: 'me' }), 200, 'app'],
    ['without kid passes', () => key.sign(valid(), { kid: undefined }), 200, 'app'],
    ['a forged signature', () => forger.sign(valid()), 401, 'Jwt verification fails'],
    [
      'a wrong issuer',
      () => key.sign({ ...valid(), iss: 'you' }),
      401,
      'Jwt issuer is not configured',
    ],
    ['expired', () => key.sign({ ...valid(), exp: inSeconds(-120) }), 401, 'Jwt is expired'],
    ['within the skew', () => key.sign({ ...valid(), exp: inSeconds(-20) }), 200, 'app'],
    [
      'not yet valid',
      () => key.sign({ ...valid(), nbf: inSeconds(120) }),
      401,
      'Jwt not yet valid',
    ],
    ['nbf within the skew', () => key.sign({ ...valid(), nbf: inSeconds(20) }), 200, 'app'],
    [
      'alg none',
      () => rawToken({ alg: 'none' }, valid()),
      401,
      'Jwt header [alg] is not supported',
    ],
    [
      'alg none without signature',
      () => rawToken({ alg: 'none' }, valid(), ''),
      401,
      'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
    ],
    [
      'HMAC with a public key',
      () => rawToken({ alg: 'HS256', kid: 'one' }, valid()),
      401,
      "Jwks doesn't have key to match kid or alg from Jwt",
    ],
    [
      'an algorithm the key does not say',
      () => rawToken({ alg: 'RS512', kid: 'one' }, valid()),
      401,
      "Jwks doesn't have key to match kid or alg from Jwt",
    ],
    [
      'an unknown kid',
      () => key.sign(valid(), { kid: 'two' }),
      401,
      "Jwks doesn't have key to match kid or alg from Jwt",
    ],
    [
      'no token at all',
      () => 'hello',
      401,
      'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
    ],
    [
      'too large',
      () => rawToken({ alg: 'RS256' }, { pad: 'x'.repeat(20_000) }),
      401,
      'Jwt is too large',
    ],
    [
      'a critical header',
      () => rawToken({ alg: 'RS256', crit: ['b64'], b64: false }, valid()),
      401,
      'Jwt header [crit] is not supported',
    ],
    [
      'exp of a wrong type',
      () =>
        key
          .sign({ iss: 'me', exp: 'never' })
          .catch(() => rawToken({ alg: 'RS256' }, { iss: 'me', exp: 'never' })),
      401,
      'Jwt payload has a registered claim of a wrong type',
    ],
    ['no audience', () => key.sign(valid()), 403, 'Audiences in Jwt are not allowed', audience],
    [
      'another audience',
      () => key.sign({ ...valid(), aud: ['bank'] }),
      403,
      'Audiences in Jwt are not allowed',
      audience,
    ],
    [
      'one of the audiences',
      () => key.sign({ ...valid(), aud: ['bank', 'shop'] }),
      200,
      'app',
      audience,
    ],
    [
      'an audience without scheme and slash',
      () => key.sign({ ...valid(), aud: 'http://api.test' }),
      200,
      'app',
      audience,
    ],
  ]

  const rows = cases.map(([name, token, status, body, rule = INLINE]) => {
    return { name, token, status, body, rule }
  })
  test.each(rows)('$name', async ({ token, status, body, rule }) => {
    await using served = await serve(requestAuthentication('jwt', rule))
    const answer = await askWith(served.gw, await token(), { path: '/a/b?c=d' })
    expect(answer).toMatchObject({ status, body })
    if (status === 200) return
    expect(answer.headers['www-authenticate']).toBe(
      'Bearer realm="http://app.test/a/b", error="invalid_token"',
    )
    expect(served.upstream.seen).toEqual([])
  })
})

test('a refusal is logged with its reason, without a flag, and counted', async () => {
  await using served = await serve(requestAuthentication('jwt', INLINE))
  const { gw } = served
  const expired = await key.sign({ ...valid(), exp: inSeconds(-120) })
  await askWith(gw, expired, { path: '/expired' })
  await askWith(gw, null)
  const good = await key.sign(valid())
  await askWith(gw, good)
  await askWith(gw, good)
  const text = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
  expect(text).toContain('tidegate_jwt_requests_total{result="denied",reason="expired"} 1')
  expect(text).toContain('tidegate_jwt_requests_total{result="anonymous",reason=""} 1')
  expect(text).toContain('tidegate_jwt_requests_total{result="allowed",reason=""} 2')
  expect(text).toContain('tidegate_jwt_cache_hits_total 1')
  const logged = await loggedExchanges(gw, ['/expired'])
  expect(logged.get('/expired')).toMatchObject({
    status: '401',
    flags: '-',
    details: 'jwt_authn_access_denied{Jwt_is_expired}',
  })
})

describe('what the upstream sees', () => {
  test('a valid token is taken out unless it is to be forwarded', async () => {
    await using served = await serve(requestAuthentication('jwt', INLINE))
    await askWith(served.gw, await key.sign(valid()))
    expect(served.upstream.seen[0]!.headers['authorization']).toBeUndefined()
    served.gw.write(
      'config.yaml',
      authenticatedApp(served.upstream.port, [
        requestAuthentication('jwt', `${INLINE}, forwardOriginalToken: true`),
      ]),
    )
    await served.gw.reload()
    const token = await key.sign(valid())
    await askWith(served.gw, token)
    expect(served.upstream.seen[1]!.headers['authorization']).toBe(`Bearer ${token}`)
  })

  const OUTPUTS = `${INLINE}, outputPayloadToHeader: x-payload, outputClaimToHeaders: [
    { header: X-User, claim: sub }, { header: x-role, claim: realm.role },
    { header: x-age, claim: age }, { header: x-list, claim: list }]`

  test('payload and claims become headers', async () => {
    await using served = await serve(requestAuthentication('jwt', OUTPUTS))
    const claims = { ...valid(), realm: { role: 'admin' }, age: 7, list: ['a'] }
    const token = await key.sign(claims)
    await askWith(served.gw, token)
    const { headers } = served.upstream.seen[0]!
    expect(headers).toMatchObject({ 'x-user': 'ann', 'x-role': 'admin', 'x-age': '7' })
    expect(headers['x-list']).toBeUndefined()
    expect(headers['x-payload']).toBe(token.split('.')[1])
  })

  test.each([
    ['with a token that lacks the claim', async () => key.sign({ iss: 'me' })],
    ['without a token', () => null],
  ])('a client cannot forge them %s', async (_name, token) => {
    await using served = await serve(requestAuthentication('jwt', OUTPUTS))
    const forged = {
      'x-user': 'root',
      'X-Payload': 'e30',
      'x-role': ['admin', 'root'],
      'x-list': 'a',
    }
    const sent = await token()
    await askWith(served.gw, sent, { headers: forged })
    const { headers } = served.upstream.seen[0]!
    expect(headers['x-user']).toBeUndefined()
    expect(headers['x-role']).toBeUndefined()
    expect(headers['x-list']).toBeUndefined()
    expect(headers['x-payload']).toBe(sent === null ? undefined : sent.split('.')[1])
  })

  test('a claim that would end the header field is not copied', async () => {
    await using served = await serve(requestAuthentication('jwt', OUTPUTS))
    await askWith(served.gw, await key.sign({ ...valid(), sub: 'ann\r\nx-role: admin' }))
    const { headers } = served.upstream.seen[0]!
    expect(headers['x-user']).toBeUndefined()
    expect(headers['x-role']).toBeUndefined()
  })

  test('a preflight needs no token, and forges nothing either', async () => {
    await using served = await serve(requestAuthentication('jwt', OUTPUTS))
    const headers = {
      origin: 'http://shop.test',
      'access-control-request-method': 'PUT',
      'x-user': 'root',
    }
    const answer = await askWith(served.gw, 'nonsense', { method: 'OPTIONS', headers })
    expect(answer.status).toBe(200)
    expect(served.upstream.seen[0]!.headers['x-user']).toBeUndefined()
  })
})

describe('where tokens are looked for', () => {
  test('in access_token of the query, which then is gone and never logged', async () => {
    await using served = await serve(requestAuthentication('jwt', INLINE))
    const token = await key.sign(valid())
    const path = `/p?a=1&access_token=${token}&b=2`
    expect((await askWith(served.gw, null, { path })).status).toBe(200)
    expect(served.upstream.seen[0]!.url).toBe('/p?a=1&b=2')
    const bad = await forger.sign(valid())
    const refused = await askWith(served.gw, null, { path: `/p?access_token=${bad}` })
    expect(refused.status).toBe(401)
    const shown = '/p?a=1&access_token=[redacted]&b=2'
    await loggedExchanges(served.gw, [shown, '/p?access_token=[redacted]'])
    const log = served.gw.accessLog()
    expect(log).not.toContain(token)
    expect(log).not.toContain(bad)
  })

  const PLACES = `${INLINE}, fromHeaders: [{ name: X-Jwt, prefix: "Tok " }, { name: x-plain }], fromParams: [t], fromCookies: [session]`

  test.each([
    ['a header with prefix', { 'x-jwt': 'Tok TOKEN' }, '/'],
    ['a header without prefix', { 'x-plain': 'TOKEN' }, '/'],
    ['a parameter', {}, '/?t=TOKEN'],
    ['a cookie', { cookie: 'a=b; session=TOKEN; c=d' }, '/'],
  ])('in %s', async (_name, fields, path) => {
    await using served = await serve(requestAuthentication('jwt', PLACES))
    const send = async (token: string): Promise<number> => {
      const headers = Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [name, value.replace('TOKEN', token)]),
      )
      const sent = { headers, path: path.replace('TOKEN', token) }
      return (await askWith(served.gw, null, sent)).status
    }
    expect(await send(await forger.sign(valid()))).toBe(401)
    expect(await send(await key.sign(valid()))).toBe(200)
    const [seen] = served.upstream.seen
    expect(seen!.url).toBe('/')
    expect(seen!.headers['x-jwt'] ?? seen!.headers['x-plain']).toBeUndefined()
    if ('cookie' in fields) expect(seen!.headers.cookie).toBe('a=b; c=d')
  })

  test('nowhere else, once places are named', async () => {
    await using served = await serve(requestAuthentication('jwt', PLACES))
    const bad = await forger.sign(valid())
    expect((await askWith(served.gw, bad, { path: `/?access_token=${bad}` })).status).toBe(200)
    expect(served.upstream.seen[0]!.headers['authorization']).toBe(`Bearer ${bad}`)
  })

  test('credentials of another scheme are no token, and stay', async () => {
    await using served = await serve(requestAuthentication('jwt', INLINE))
    const token = await key.sign(valid())
    const headers = { authorization: 'Basic YTpi' }
    const sent = { headers, path: `/?access_token=${token}` }
    expect((await askWith(served.gw, null, { headers })).status).toBe(200)
    expect((await askWith(served.gw, null, sent)).status).toBe(200)
    expect(served.upstream.seen.map((one) => one.headers['authorization'])).toEqual([
      'Basic YTpi',
      'Basic YTpi',
    ])
  })

  test('the scheme is known in any spelling', async () => {
    await using served = await serve(requestAuthentication('jwt', INLINE))
    const headers = { authorization: `bEARER ${await forger.sign(valid())}` }
    expect((await askWith(served.gw, null, { headers })).status).toBe(401)
  })

  test('two tokens in one request are refused, the same one twice is not', async () => {
    await using served = await serve(requestAuthentication('jwt', INLINE))
    const first = await key.sign(valid())
    const second = await key.sign({ ...valid(), sub: 'bob' })
    const twice = await askWith(served.gw, first, { path: `/?access_token=${second}` })
    expect(twice).toMatchObject({ status: 401, body: 'Several Jwts in one request' })
    const same = await askWith(served.gw, first, { path: `/?access_token=${first}` })
    expect(same.status).toBe(200)
    expect(served.upstream.seen[0]).toMatchObject({ url: '/' })
    expect(served.upstream.seen[0]!.headers['authorization']).toBeUndefined()
  })
})

test('rules of several resources are one list', async () => {
  const other = await testKey('other')
  await using served = await serve(
    requestAuthentication('a', INLINE),
    requestAuthentication('b', `issuer: you, jwks: '${keySet(other)}'`),
  )
  expect((await askWith(served.gw, await key.sign(valid()))).status).toBe(200)
  expect((await askWith(served.gw, await other.sign({ iss: 'you' }))).status).toBe(200)
  const crossed = await askWith(served.gw, await other.sign({ ...valid() }))
  expect(crossed).toMatchObject({ status: 401 })
})

test('an inline secret verifies HMAC, and nothing else', async () => {
  const secret = Buffer.alloc(32, 7)
  const { SignJWT } = await import('jose')
  const token = await new SignJWT({ iss: 'me' }).setProtectedHeader({ alg: 'HS256' }).sign(secret)
  const other = await new SignJWT({ iss: 'me' })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(Buffer.alloc(32, 8))
  const jwks = JSON.stringify({
    keys: [{ kty: 'oct', k: secret.toString('base64url'), alg: 'HS256' }],
  })
  await using served = await serve(requestAuthentication('jwt', `issuer: me, jwks: '${jwks}'`))
  expect((await askWith(served.gw, token)).status).toBe(200)
  expect((await askWith(served.gw, other)).body).toBe('Jwt verification fails')
})

describe('a resource with errors', () => {
  const broken = requestAuthentication(
    'jwt',
    `${INLINE}, timeout: soon, outputClaimToHeaders: [{ header: x-user, claim: sub }]`,
  )

  test('that was never good refuses its tokens, and leaves those of others', async () => {
    const other = await testKey('other')
    const good = requestAuthentication('good', `issuer: you, jwks: '${keySet(other)}'`)
    await using served = await serve(broken, good)
    expect((await askWith(served.gw, await key.sign(valid()))).status).toBe(401)
    expect((await askWith(served.gw, await other.sign({ iss: 'you' }))).status).toBe(200)
    await askWith(served.gw, null, { headers: { 'x-user': 'root' } })
    expect(served.upstream.seen.map(({ headers }) => headers['x-user'])).toEqual([
      undefined,
      undefined,
    ])
  })

  test('that was good before stays as it was', async () => {
    await using served = await serve(requestAuthentication('jwt', INLINE))
    served.gw.write('config.yaml', authenticatedApp(served.upstream.port, [broken]))
    await served.gw.reload()
    expect((await askWith(served.gw, await key.sign(valid()))).status).toBe(200)
  })
})

describe('keys that are fetched', () => {
  async function remote(
    issuer: IssuerServer,
    rule = `issuer: "${issuer.url}", jwksUri: "${issuer.url}/keys"`,
  ): Promise<Served> {
    return serve(requestAuthentication('jwt', rule))
  }

  test('by jwksUri: once, when the first token comes, for many at a time', async () => {
    await using issuer = await startIssuer(keySet(key))
    await using served = await remote(issuer)
    expect((await askWith(served.gw, null)).status).toBe(200)
    expect(issuer.asked).toEqual([])
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, i) => key.sign({ iss: issuer.url, sub: String(i) })),
    )
    const answers = await Promise.all(tokens.map((token) => askWith(served.gw, token)))
    expect(answers.map(({ status }) => status)).toEqual(tokens.map(() => 200))
    expect(issuer.asked).toEqual(['/keys'])
  })

  test('by the discovery document of the issuer', async () => {
    await using issuer = await startIssuer(keySet(key))
    await using served = await remote(issuer, `issuer: "${issuer.url}"`)
    expect((await askWith(served.gw, await key.sign({ iss: issuer.url }))).status).toBe(200)
    expect(issuer.asked).toEqual(['/.well-known/openid-configuration', '/keys'])
  })

  test('again for a key that is not known, once', async () => {
    await using issuer = await startIssuer(keySet(key))
    await using served = await remote(issuer)
    const next = await testKey('next')
    expect((await askWith(served.gw, await key.sign({ iss: issuer.url }))).status).toBe(200)
    issuer.answer = keySet(key, next)
    expect((await askWith(served.gw, await next.sign({ iss: issuer.url }))).status).toBe(200)
    const unknown = await testKey('unknown')
    const answer = await askWith(served.gw, await unknown.sign({ iss: issuer.url }))
    expect(answer.body).toBe("Jwks doesn't have key to match kid or alg from Jwt")
    expect(issuer.asked).toHaveLength(2)
  })

  test('a secret among published keys verifies nothing', async () => {
    const { SignJWT } = await import('jose')
    const secret = Buffer.alloc(32, 7)
    const published = { kty: 'oct', k: secret.toString('base64url'), alg: 'HS256' }
    await using issuer = await startIssuer(JSON.stringify({ keys: [key.jwk, published] }))
    await using served = await remote(issuer)
    const token = await new SignJWT({ iss: issuer.url })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(secret)
    expect((await askWith(served.gw, token)).status).toBe(401)
  })

  test.each([
    ['no key set', 'hello'],
    ['a key set without keys', '{"keys":[]}'],
    ['too much', `${keySet(key).slice(0, -1)},"pad":"${'x'.repeat(1_100_000)}"}`],
  ])('%s refuses tokens, and requests without one go on', async (_name, answer) => {
    await using issuer = await startIssuer(answer)
    await using served = await remote(issuer)
    expect(await askWith(served.gw, await key.sign({ iss: issuer.url }))).toMatchObject({
      status: 401,
      body: 'Jwks remote fetch is failed',
    })
    expect((await askWith(served.gw, null)).status).toBe(200)
  })

  test('a server that does not answer in time refuses tokens, and blocks nobody else', async () => {
    await using issuer = await startIssuer(() => undefined)
    const rule = `issuer: "${issuer.url}", jwksUri: "${issuer.url}/keys", timeout: 300ms`
    await using served = await remote(issuer, rule)
    const waiting = askWith(served.gw, await key.sign({ iss: issuer.url }))
    expect((await askWith(served.gw, null)).status).toBe(200)
    expect(await waiting).toMatchObject({ status: 401, body: 'Jwks remote fetch is failed' })
  })

  test('nobody there refuses tokens', async () => {
    const issuer = await startIssuer('')
    await issuer[Symbol.asyncDispose]()
    await using served = await remote(issuer)
    expect((await askWith(served.gw, await key.sign({ iss: issuer.url }))).status).toBe(401)
  })

  test('a changed configuration with the same rule keeps keys and verified tokens', async () => {
    await using issuer = await startIssuer(keySet(key))
    await using served = await remote(issuer)
    const token = await key.sign({ iss: issuer.url })
    await askWith(served.gw, token)
    served.gw.write('more.yaml', 'apiVersion: v1\nkind: Namespace\nmetadata: { name: more }\n')
    await served.gw.reload()
    expect((await askWith(served.gw, token)).status).toBe(200)
    expect(issuer.asked).toHaveLength(1)
    const text = await (await fetch(`${served.gw.admin}/stats/prometheus`)).text()
    expect(text).toContain('tidegate_jwt_cache_hits_total 1')
  })
})

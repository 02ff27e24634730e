import { describe, expect, test } from 'vitest'
import type { Filter, RouteKind } from '../../src/filters/filter.ts'
import { Headers } from '../../src/http/headers.ts'
import { compileStringMatch } from '../../src/routing/string-match.ts'
import { RecordedExchange } from '../../test/support/filter-exchange.ts'
import { CorsFactory } from './index.ts'
import type { CorsSetting } from './policy.ts'

const ORIGIN = 'https://shop.example.com'

function compile(value: CorsSetting, action: RouteKind = 'ROUTE'): Filter | null {
  const origin = { kind: '', namespace: '', name: '', path: [], file: null, line: null }
  return new CorsFactory().compile(
    {
      listener: { value: { ...value }, origin },
      virtualHost: [],
      route: [],
      filterName: 'envoy.filters.http.cors',
      virtualHostName: 'a.com:80',
      routeName: '',
      action,
    },
    {
      configMaps: [],
      findService: () => 'no services here',
      stringMatcher: (match) => compileStringMatch(match, { ignoreCase: false }),
      report: () => undefined,
    },
  )
}

interface Answered {
  /** The filter answered; else the request went upstream. */
  readonly local: boolean
  readonly headers: Readonly<Record<string, string>>
}

/** What a client gets when the upstream (or the filter) says `sent`. */
async function ask(
  policy: CorsSetting,
  request: { method?: string; headers?: Readonly<Record<string, string>> },
  sent: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  const exchange = new RecordedExchange({
    method: request.method ?? 'GET',
    headers: Object.entries(request.headers ?? {}).flat(),
  })
  const outcome = await exchange.run(compile(policy)!)
  const headers = new Headers(Object.entries(sent).flat())
  for (const editor of exchange.editors) editor.editResponse(headers)
  const fields: Record<string, string> = {}
  for (let i = 0; i < headers.fields.length; i += 2) {
    const name = headers.fields[i]!
    expect(fields, 'a field comes once').not.toHaveProperty(name)
    fields[name] = headers.fields[i + 1]!
  }
  if (exchange.ended) {
    expect(outcome).toMatchObject({ status: 200, flag: '', details: 'cors_response' })
    expect(exchange.body).toBe('')
  }
  return { local: exchange.ended, headers: fields }
}

function preflight(origin = ORIGIN, more: Readonly<Record<string, string>> = {}) {
  return {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'PUT', ...more },
  }
}

describe('an origin', () => {
  test.each<[string, CorsSetting, string, boolean]>([
    ['exact', { allowOrigins: [{ exact: ORIGIN }] }, ORIGIN, true],
    [
      'exact is the whole origin',
      { allowOrigins: [{ exact: ORIGIN }] },
      `${ORIGIN}.evil.com`,
      false,
    ],
    [
      'exact compares the scheme',
      { allowOrigins: [{ exact: ORIGIN }] },
      'http://shop.example.com',
      false,
    ],
    ['exact compares the port', { allowOrigins: [{ exact: ORIGIN }] }, `${ORIGIN}:8443`, false],
    [
      'exact compares the case',
      { allowOrigins: [{ exact: ORIGIN }] },
      'https://SHOP.example.com',
      false,
    ],
    ['prefix', { allowOrigins: [{ prefix: 'https://shop.' }] }, ORIGIN, true],
    ['prefix misses', { allowOrigins: [{ prefix: 'https://shop.' }] }, 'https://a.com', false],
    ['regex', { allowOrigins: [{ regex: 'https://[a-z]+\\.example\\.com' }] }, ORIGIN, true],
    [
      'regex is the whole origin',
      { allowOrigins: [{ regex: 'https://[a-z]+\\.example\\.com' }] },
      `${ORIGIN}.evil.com`,
      false,
    ],
    [
      'any of several',
      { allowOrigins: [{ exact: 'https://a.com' }, { prefix: 'https://s' }] },
      ORIGIN,
      true,
    ],
    ['every one', { allowOrigins: [{ exact: '*' }] }, 'null', true],
    ['a star in a prefix is a star', { allowOrigins: [{ prefix: '*' }] }, ORIGIN, false],
    ['a match without condition allows nobody', { allowOrigins: [{}] }, ORIGIN, false],
    ['no list allows nobody', { allowMethods: ['GET'] }, ORIGIN, false],
    ['the deprecated list is exact', { allowOrigin: [ORIGIN] }, ORIGIN, true],
    ['the deprecated list has no prefixes', { allowOrigin: ['https://shop'] }, ORIGIN, false],
    ['the deprecated list knows the star', { allowOrigin: ['*'] }, ORIGIN, true],
    [
      'the deprecated list is ignored beside the new one',
      { allowOrigin: [ORIGIN], allowOrigins: [{ exact: 'https://a.com' }] },
      ORIGIN,
      false,
    ],
    [
      'several origins in one request are none of them',
      { allowOrigins: [{ exact: ORIGIN }] },
      `${ORIGIN}, https://evil.com`,
      false,
    ],
  ])('%s', async (_name, policy, origin, isAllowed) => {
    const { local, headers } = await ask(policy, { headers: { origin } })
    expect(local).toBe(false)
    expect(headers['access-control-allow-origin']).toBe(isAllowed ? origin : undefined)
  })
})

describe('a preflight', () => {
  const policy: CorsSetting = {
    allowOrigins: [{ exact: ORIGIN }],
    allowMethods: ['GET', 'POST'],
    allowHeaders: ['x-a', 'X-B'],
    exposeHeaders: ['x-out'],
    maxAge: '24h',
    allowCredentials: true,
  }

  test('is answered 200 with what the policy allows', async () => {
    expect(await ask(policy, preflight())).toEqual({
      local: true,
      headers: {
        'access-control-allow-origin': ORIGIN,
        'access-control-allow-credentials': 'true',
        'access-control-allow-methods': 'GET,POST',
        'access-control-allow-headers': 'x-a,X-B',
        'access-control-max-age': '86400',
        vary: 'Origin',
      },
    })
  })

  test('is not judged by method or headers: the browser does that', async () => {
    const asked = preflight(ORIGIN, { 'access-control-request-headers': 'x-never' })
    const { local, headers } = await ask(policy, asked)
    expect(local).toBe(true)
    expect(headers).toMatchObject({
      'access-control-allow-methods': 'GET,POST',
      'access-control-allow-headers': 'x-a,X-B',
    })
  })

  test('leaves out what the policy does not say', async () => {
    const { headers } = await ask({ allowOrigins: [{ exact: ORIGIN }] }, preflight())
    expect(headers).toEqual({ 'access-control-allow-origin': ORIGIN, vary: 'Origin' })
  })

  test.each([
    ['alone', ['*']],
    ['among others', ['GET', '*']],
  ])('a star %s echoes what was asked for', async (_name, allowMethods) => {
    const stars = { ...policy, allowMethods, allowHeaders: ['*'] }
    const asked = preflight(ORIGIN, { 'access-control-request-headers': 'x-any, x-other' })
    const { headers } = await ask(stars, asked)
    expect(headers['access-control-allow-methods']).toBe('PUT')
    expect(headers['access-control-allow-headers']).toBe('x-any, x-other')
  })

  test('a star for headers that were not asked for sends none', async () => {
    const { headers } = await ask({ ...policy, allowHeaders: ['*'] }, preflight())
    expect(headers).not.toHaveProperty('access-control-allow-headers')
  })

  test.each([
    ['0s', '0'],
    ['600s', '600'],
    ['1h30m', '5400'],
  ])('maxAge %s is %s whole seconds', async (maxAge, seconds) => {
    const { headers } = await ask({ ...policy, maxAge }, preflight())
    expect(headers['access-control-max-age']).toBe(seconds)
  })

  test('of any origin echoes the origin, never a star', async () => {
    const any = { allowOrigins: [{ exact: '*' }], allowCredentials: true }
    const { headers } = await ask(any, preflight())
    expect(headers).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-credentials': 'true',
    })
  })

  test.each([
    ['another method', { ...preflight(), method: 'POST' }],
    ['no Access-Control-Request-Method', { method: 'OPTIONS', headers: { origin: ORIGIN } }],
    ['an empty one', preflight(ORIGIN, { 'access-control-request-method': '' })],
    ['no Origin', { method: 'OPTIONS', headers: { 'access-control-request-method': 'PUT' } }],
    ['an empty Origin', preflight('')],
  ])('with %s is an ordinary request', async (_name, request) => {
    expect((await ask(policy, request)).local).toBe(false)
  })

  test.each<[string | undefined, boolean, string]>([
    [undefined, false, 'upstream'],
    ['UNSPECIFIED', false, 'upstream'],
    ['FORWARD', false, 'upstream'],
    ['IGNORE', true, 'here'],
  ])('of an origin that is not allowed, unmatchedPreflights %s', async (choice, isLocal) => {
    const chosen = choice === undefined ? policy : { ...policy, unmatchedPreflights: choice }
    const { local, headers } = await ask(chosen, preflight('https://evil.com'))
    expect(local).toBe(isLocal)
    expect(headers).toEqual({ vary: 'Origin' })
  })
})

describe('an answer from upstream', () => {
  const policy: CorsSetting = { allowOrigins: [{ exact: ORIGIN }], exposeHeaders: ['x-out', 'x-b'] }
  const sent = {
    'access-control-allow-origin': '*',
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'x-secret',
  }

  test('has its own CORS headers overwritten for an allowed origin', async () => {
    const credentials = { ...policy, allowCredentials: true }
    const { headers } = await ask(credentials, { headers: { origin: ORIGIN } }, sent)
    expect(headers).toEqual({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'x-out,x-b',
      vary: 'Origin',
    })
  })

  test('grants no credentials that the policy does not grant', async () => {
    const { headers } = await ask(policy, { headers: { origin: ORIGIN } }, sent)
    expect(headers).not.toHaveProperty('access-control-allow-credentials')
  })

  test('keeps its exposed headers when the policy names none', async () => {
    const bare = { allowOrigins: [{ exact: ORIGIN }] }
    const { headers } = await ask(bare, { headers: { origin: ORIGIN } }, sent)
    expect(headers['access-control-expose-headers']).toBe('x-secret')
  })

  test('keeps all of them for an origin that is not allowed', async () => {
    const { headers } = await ask(policy, { headers: { origin: 'https://evil.com' } }, sent)
    expect(headers).toEqual({ ...sent, vary: 'Origin' })
  })

  test('keeps all of them for a request without Origin', async () => {
    expect((await ask(policy, {}, sent)).headers).toEqual({ ...sent, vary: 'Origin' })
  })

  test.each([
    ['Accept-Encoding', 'Accept-Encoding, Origin'],
    ['origin', 'origin'],
    ['Accept, ORIGIN', 'Accept, ORIGIN'],
    ['*', '*'],
    ['X-Origin', 'X-Origin, Origin'],
    ['', 'Origin'],
  ])('with Vary "%s" varies by "%s"', async (vary, expected) => {
    const { headers } = await ask(policy, { headers: { origin: ORIGIN } }, { vary })
    expect(headers['vary']).toBe(expected)
  })
})

test.each(['REDIRECT', 'DIRECT_RESPONSE'] as const)('a %s has no CORS', (action) => {
  expect(compile({ allowOrigins: [{ exact: '*' }] }, action)).toBeNull()
})

test('describes itself for people', () => {
  const filter = compile({ allowOrigin: ['*'], allowMethods: ['GET'], maxAge: '1m' })!
  expect(filter.describe?.()).toEqual({
    allowOrigins: [{ exact: '*' }],
    allowMethods: 'GET',
    allowHeaders: null,
    exposeHeaders: null,
    maxAge: '60',
    allowCredentials: false,
    unmatchedPreflights: 'FORWARD',
  })
})

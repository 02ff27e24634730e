import { describe, expect, test } from 'vitest'
import { JwtAuthentication } from '../../plugins/jwt/index.ts'
import { requestAuthentication } from '../../test/support/authentication.ts'
import { explained, explainerOf } from '../../test/support/explain.ts'
import { inSeconds, rawToken } from '../../test/support/jwt.ts'
import { gateway, virtualService } from '../../test/support/yaml.ts'
import { explanationText } from './text.ts'

const ROUTES = `  - match: [{ headers: { "@request.auth.claims.group": { exact: admin } } }]
    directResponse: { status: 201 }
  - directResponse: { status: 202 }`

const explainer = explainerOf(
  gateway('gw', ['app.test']) +
    virtualService('app', ['app.test'], ['gw'], ROUTES) +
    requestAuthentication('jwt', 'issuer: me, audiences: [shop], jwksUri: "https://keys.test/"'),
  { authenticators: new JwtAuthentication({ log: () => undefined }) },
)

function ask(token: string | null, method = 'GET') {
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` }
  const asked = { origin: 'http://a.test', 'access-control-request-method': 'PUT' }
  const sent = { method, headers: method === 'OPTIONS' ? { ...headers, ...asked } : headers }
  return explained(explainer, 'http://app.test/', sent)
}

describe('explain', () => {
  const header = { alg: 'RS256', kid: 'one' }
  const claims = { iss: 'me', aud: 'shop', exp: inSeconds(300) }

  test.each([
    ['no token', null, 'anonymous', 202, 'no token: the request has no identity'],
    [
      'a token that may be good, by its claims',
      rawToken(header, { ...claims, group: 'admin' }),
      'valid',
      201,
      'the token passes RequestAuthentication istio-system/jwt if its signature is good (not checked here)',
    ],
    [
      'a wrong issuer',
      rawToken(header, { ...claims, iss: 'you' }),
      'refused',
      401,
      'Jwt issuer is not configured',
    ],
    [
      'a wrong audience',
      rawToken(header, { ...claims, aud: 'bank' }),
      'refused',
      403,
      'Audiences in Jwt are not allowed',
    ],
    [
      'an expired token',
      rawToken(header, { ...claims, exp: inSeconds(-300) }),
      'refused',
      401,
      'Jwt is expired',
    ],
  ])('%s', (_name, token, result, status, text) => {
    const explanation = ask(token)
    expect(explanation.authentication).toEqual({ result, text })
    expect(explanation.outcome.status).toBe(status)
    expect(explanationText(explanation)).toContain(`token         ${text}\n`)
  })

  test('a preflight asks for no token', () => {
    expect(ask('nonsense', 'OPTIONS').authentication?.result).toBe('preflight')
  })

  test('where no RequestAuthentication applies nothing is said', () => {
    const plain = explainerOf(
      gateway('gw', ['app.test']) + virtualService('app', ['app.test'], ['gw'], ROUTES),
    )
    const found = explained(plain, 'http://app.test/', { headers: { authorization: 'Bearer x' } })
    expect(found.authentication).toBeNull()
    expect(explanationText(found)).not.toContain('\ntoken ')
  })
})

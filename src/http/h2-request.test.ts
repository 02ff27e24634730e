import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isAuthority } from './authority.ts'
import { isFieldValue, isToken } from './field-syntax.ts'
import { buildH2Request } from './h2-request.ts'
import { H2Settings } from './h2-settings.ts'
import { Refusal } from './refusal.ts'
import { Request } from './request.ts'

const RULES = new H2Settings()
const HEAD = [':method', 'GET', ':scheme', 'https', ':authority', 'shop.test', ':path', '/a']

function build(
  list: readonly string[],
  rules: H2Settings = RULES,
  endStream = true,
): Request | Refusal {
  return buildH2Request(list, endStream, 'https', rules)
}

function reasonOf(result: Request | Refusal): string | null {
  return result instanceof Refusal ? result.reason : null
}

describe('buildH2Request', () => {
  it('takes the authority from host when there is no other', () => {
    const list = [':method', 'GET', ':scheme', 'https', ':path', '/', 'host', 'shop.test:443']
    const request = build(list)
    expect(request).toMatchObject({ authority: 'shop.test:443' })
    expect(request instanceof Request && request.headers.size).toBe(0)
  })

  it('a host that only repeats the authority is fine, in any case', () => {
    expect(build([...HEAD, 'host', 'SHOP.test'])).toMatchObject({ authority: 'shop.test' })
  })

  it('the scheme is that of the connection', () => {
    const list = HEAD.with(3, 'http')
    expect(build(list)).toMatchObject({ scheme: 'https' })
  })

  it.each([
    ['reject', 'underscore-in-field-name', null],
    ['drop', null, []],
    ['allow', null, ['x_user', 'a']],
  ] as const)('names with underscores: %s', (underscoreNames, reason, fields) => {
    const result = build([...HEAD, 'x_user', 'a'], new H2Settings({ underscoreNames }))
    expect(reasonOf(result)).toBe(reason)
    if (result instanceof Request) expect(result.headers.fields).toEqual(fields)
  })

  it.each([
    ['space around a value', [...HEAD, 'x', 'a '], 'control-character'],
    ['NUL in a value', [...HEAD, 'x', 'a\0'], 'control-character'],
    ['CRLF in the path', HEAD.with(7, '/\r\nx: y'), 'control-character'],
    ['colon in a name', [...HEAD, 'x:y', 'a'], 'bad-field-name'],
    ['empty name', [...HEAD, '', 'a'], 'bad-field-name'],
    ['method that is no token', HEAD.with(1, 'GE T'), 'bad-start-line'],
    ['method that begins the preface', HEAD.with(1, 'PRI'), 'bad-start-line'],
    ['empty authority', HEAD.with(5, ''), 'bad-pseudo-field'],
    ['http2-settings', [...HEAD, 'http2-settings', 'x'], 'bad-connection'],
    ['content-length that is no number', [...HEAD, 'content-length', '1e3'], 'bad-content-length'],
    [
      'content-length beyond 15 digits',
      [...HEAD, 'content-length', '1'.repeat(16)],
      'bad-content-length',
    ],
    ['head beyond the limit', [...HEAD, 'x', 'a'.repeat(61_440)], 'head-too-large'],
    ['CONNECT', [':method', 'CONNECT', ':authority', 'a:1'], 'connect-refused'],
  ])('refuses by itself: %s', (_name, list, reason) => {
    expect(reasonOf(build(list))).toBe(reason)
  })

  it.each([
    ['a port', [':method', 'CONNECT', ':authority', 'db.test:5432'], null],
    ['no port', [':method', 'CONNECT', ':authority', 'db.test'], 'bad-host'],
    ['a path', [':method', 'CONNECT', ':authority', 'db.test:1', ':path', '/'], 'bad-pseudo-field'],
  ])('CONNECT, where allowed, with %s', (_name, list, reason) => {
    expect(reasonOf(build(list, new H2Settings({ allowConnect: true }), false))).toBe(reason)
  })

  it('whatever comes in, a request that comes out is safe to write as HTTP/1', () => {
    const name = fc.oneof(
      fc.constantFrom(
        ':method',
        ':path',
        ':scheme',
        ':authority',
        'host',
        'cookie',
        'te',
        'expect',
        'content-length',
        '__proto__',
      ),
      fc.string({ maxLength: 8 }),
    )
    const value = fc.oneof(
      fc.constantFrom(
        'GET',
        '/',
        '/a?b',
        '*',
        'https',
        'shop.test',
        'trailers',
        '100-continue',
        '5',
        '',
      ),
      fc.string({ unit: 'binary', maxLength: 12 }),
    )
    const tail = fc.array(fc.tuple(name, value), { maxLength: 6 })
    fc.assert(
      fc.property(fc.boolean(), tail, fc.boolean(), (withHead, fields, endStream) => {
        const result = build([...(withHead ? HEAD : []), ...fields.flat()], RULES, endStream)
        if (result instanceof Refusal) return
        expect(isToken(result.method) && isAuthority(result.authority)).toBe(true)
        expect(result.path + result.query).toMatch(/^(\/[\x21-\x7e]*|\*)$/)
        const all = result.headers.fields
        for (let i = 0; i < all.length; i += 2) {
          expect(isToken(all[i]!) && isFieldValue(all[i + 1]!)).toBe(true)
          expect(['host', 'content-length', 'connection', 'transfer-encoding']).not.toContain(
            all[i],
          )
        }
      }),
      { numRuns: 2000 },
    )
  })
})

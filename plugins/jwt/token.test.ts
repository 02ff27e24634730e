import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rawToken } from '../../test/support/jwt.ts'
import {
  BAD_ALGORITHM,
  BAD_CLAIM_TYPE,
  BAD_FORMAT,
  BAD_HEADER,
  BAD_KEY_ID,
  BAD_PAYLOAD,
  JwtFailure,
} from './jwt-failure.ts'
import { parseToken, Token } from './token.ts'

const HEADER = { alg: 'RS256' }

function encoded(text: string): string {
  return Buffer.from(text).toString('base64url')
}

describe('parseToken', () => {
  const deep = `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`
  const cases: readonly (readonly [string, string, JwtFailure])[] = [
    ['two parts', 'a.b', BAD_FORMAT],
    ['four parts', 'a.b.c.d', BAD_FORMAT],
    ['an empty part', 'a..c', BAD_FORMAT],
    ['ordinary base64', 'a+.b.c', BAD_FORMAT],
    ['padding', 'YQ==.YQ.YQ', BAD_FORMAT],
    ['a header that is no JSON', `${encoded('hi')}.${encoded('{}')}.c2ln`, BAD_HEADER],
    ['a header that is a list', `${encoded('[]')}.${encoded('{}')}.c2ln`, BAD_HEADER],
    ['no algorithm', rawToken({}, {}), BAD_ALGORITHM],
    ['an algorithm that is no text', rawToken({ alg: ['RS256'] }, {}), BAD_ALGORITHM],
    ['none in any spelling', rawToken({ alg: 'None' }, {}), BAD_ALGORITHM],
    ['a kid that is no text', rawToken({ ...HEADER, kid: 7 }, {}), BAD_KEY_ID],
    [
      'a payload that is no JSON',
      `${encoded('{"alg":"RS256"}')}.${encoded('x')}.c2ln`,
      BAD_PAYLOAD,
    ],
    [
      'a payload that is no UTF-8',
      `${encoded('{"alg":"RS256"}')}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.c2ln`,
      BAD_PAYLOAD,
    ],
    [
      'a payload nested beyond reason',
      `${encoded('{"alg":"RS256"}')}.${encoded(deep)}.c2ln`,
      BAD_PAYLOAD,
    ],
    ['an issuer that is no text', rawToken(HEADER, { iss: 7 }), BAD_CLAIM_TYPE],
    ['audiences that are no texts', rawToken(HEADER, { aud: ['a', 7] }), BAD_CLAIM_TYPE],
    ['a negative time', rawToken(HEADER, { exp: -1 }), BAD_CLAIM_TYPE],
    ['a time that is a text', rawToken(HEADER, { nbf: '7' }), BAD_CLAIM_TYPE],
  ]
  test.each(cases)('%s', (_name, text, failure) => {
    expect(parseToken(text)).toBe(failure)
  })

  test('nothing makes it throw', () => {
    const part = fc.oneof(fc.string(), fc.json().map(encoded), fc.base64String())
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        const parsed = parseToken(parts.join('.'))
        return parsed instanceof Token || parsed instanceof JwtFailure
      }),
      { numRuns: 300 },
    )
  })
})

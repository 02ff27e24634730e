import { generateSecret, exportJWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { keySet, testKey } from '../../test/support/jwt.ts'
import { BAD_SIGNATURE, NO_MATCHING_KEY } from './jwt-failure.ts'
import { parseKeySet } from './key-set.ts'
import { parseToken, Token } from './token.ts'

function token(text: string): Token {
  const parsed = parseToken(text)
  if (parsed instanceof Token) return parsed
  throw new Error(parsed.text)
}

test.each([
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
])('%s verifies its own signature and not that of another key', async (alg) => {
  const [key, other] = await Promise.all([testKey('a', alg), testKey('a', alg)])
  const keys = parseKeySet(keySet(key), false)!
  expect(await keys.verify(token(await key.sign({ iss: 'me' })))).toBeNull()
  expect(await keys.verify(token(await other.sign({ iss: 'me' })))).toBe(BAD_SIGNATURE)
})

test('any bit of a token that changes breaks it', async () => {
  const key = await testKey('a', 'ES256')
  const keys = parseKeySet(keySet(key), false)!
  const [header, , signature] = (await key.sign({ iss: 'me', sub: 'ann' })).split('.')
  const payload = Buffer.from('{"iss":"me","sub":"root"}').toString('base64url')
  expect(await keys.verify(token(`${header}.${payload}.${signature}`))).toBe(BAD_SIGNATURE)
})

describe('keys that are passed over', () => {
  const cases: readonly (readonly [string, Record<string, unknown>])[] = [
    ['for encryption', { use: 'enc' }],
    ['not for verifying', { key_ops: ['encrypt'] }],
    ['of another algorithm', { alg: 'RS384' }],
    ['whose algorithm is not its kind', { alg: 'HS256' }],
    ['of no known kind', { kty: 'quantum' }],
  ]
  test.each(cases)('%s', async (_name, change) => {
    const [key, good] = await Promise.all([testKey('a'), testKey('good')])
    const set = JSON.stringify({ keys: [{ ...key.jwk, ...change }, good.jwk, 7, null] })
    const keys = parseKeySet(set, true)!
    expect(await keys.verify(token(await key.sign({})))).toBe(NO_MATCHING_KEY)
    expect(await keys.verify(token(await good.sign({})))).toBeNull()
  })

  test('published secrets', async () => {
    const secret = await exportJWK(await generateSecret('HS256', { extractable: true }))
    const text = JSON.stringify({ keys: [secret] })
    expect(parseKeySet(text, false)).toBeNull()
    expect(parseKeySet(text, true)).not.toBeNull()
  })

  test.each(['', '[]', '{}', '{"keys":{}}', '{"keys":[]}', 'null'])('all of %j', (text) => {
    expect(parseKeySet(text, true)).toBeNull()
  })

  test('RSA keys that are too short to be safe', async () => {
    const { generateKeyPairSync, createSign } = await import('node:crypto')
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const jwk = publicKey.export({ format: 'jwk' })
    const head = Buffer.from('{"alg":"RS256"}').toString('base64url')
    const signed = `${head}.${Buffer.from('{"iss":"me"}').toString('base64url')}`
    const signature = createSign('RSA-SHA256').update(signed).sign(privateKey, 'base64url')
    const keys = parseKeySet(JSON.stringify({ keys: [jwk] }), false)!
    expect(await keys.verify(token(`${signed}.${signature}`))).toBe(BAD_SIGNATURE)
  })
})

test('a key without kid or alg is tried for what it can verify', async () => {
  const key = await testKey('a', 'PS256')
  const { kid: _kid, alg: _alg, use: _use, ...bare } = key.jwk
  const keys = parseKeySet(JSON.stringify({ keys: [bare] }), false)!
  expect(await keys.verify(token(await key.sign({}, { kid: 'any' })))).toBeNull()
})

test('a key that was published with its private part is the same key', async () => {
  const key = await testKey('a')
  const set = JSON.stringify({ keys: [{ ...key.jwk, d: 'AQAB' }] })
  expect(await parseKeySet(set, false)!.verify(token(await key.sign({})))).toBeNull()
})

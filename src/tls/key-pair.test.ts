import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { expiryNotice, keyPairError } from './key-pair.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const authority = Authority.create('test authority')
const leaf = authority.issue(['a.test'], 30)
const other = authority.issue(['b.test'])
const now = Date.now()

describe('a certificate and its key', () => {
  test('that belong together can serve, chain or not', () => {
    expect(keyPairError(leaf.certificate, leaf.key)).toBeNull()
    const alone = leaf.certificate.slice(0, leaf.certificate.indexOf('-----BEGIN', 10))
    expect(keyPairError(alone, leaf.key)).toBeNull()
  })

  const encrypted = createPrivateKey(leaf.key)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
    .toString()
  const { privateKey: ecdsa } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const cases: [name: string, certificate: string, key: string, error: RegExp][] = [
    ['no certificate', 'hello', leaf.key, /certificate is not a PEM certificate/],
    ['empty certificate', '', leaf.key, /certificate is not a PEM certificate/],
    ['a key as certificate', leaf.key, leaf.key, /certificate is not a PEM certificate/],
    ['no key', leaf.certificate, 'hello', /private key is not a PEM private key/],
    ['a certificate as key', leaf.certificate, leaf.certificate, /private key is not/],
    ['a key with passphrase', leaf.certificate, encrypted, /without passphrase/],
    ['a key of another certificate', leaf.certificate, other.key, /does not belong/],
    ['a key of another kind', leaf.certificate, ecdsa, /does not belong/],
  ]
  test.each(cases)('%s: refused, and no key material is repeated', (_name, pem, key, error) => {
    const message = keyPairError(pem, key)
    expect(message).toMatch(error)
    for (const line of key.split('\n').filter((part) => part.length > 20)) {
      if (!line.startsWith('-----')) expect(message).not.toContain(line)
    }
  })

  test('an expired certificate serves on, with a notice', () => {
    expect(expiryNotice(leaf.certificate, now + 29 * DAY_MS)).toBeNull()
    expect(expiryNotice(leaf.certificate, now + 31 * DAY_MS)).toMatch(/expired at \d{4}-\d\d-\d\dT/)
  })
})

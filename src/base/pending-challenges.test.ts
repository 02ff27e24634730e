import { expect, test } from 'vitest'
import { PendingChallenges } from './pending-challenges.ts'
import { SecretText } from './secret-text.ts'

const handshake = { certificate: 'certificate', key: new SecretText('key') }

function pending(): PendingChallenges {
  const challenges = new PendingChallenges()
  challenges.replace([
    { token: 'aaa', host: 'a.test', keyAuthorization: 'aaa.print', handshake: null },
    { token: 'bbb', host: 'b.test', keyAuthorization: 'bbb.print', handshake },
  ])
  return challenges
}

const rows: [host: string, path: string, answer: string | null][] = [
  ['a.test', '/.well-known/acme-challenge/aaa', 'aaa.print'],
  ['a.test', '/.well-known/acme-challenge/', null],
  ['a.test', '/.well-known/acme-challenge/aaa/', null],
  ['a.test', '/.well-known/acme-challenge/aa', null],
  ['a.test', '/aaa', null],
  ['b.test', '/.well-known/acme-challenge/aaa', null],
  ['b.test', '/.well-known/acme-challenge/bbb', null],
]
test.each(rows)('GET http://%s%s', (host, path, answer) => {
  expect(pending().answer(host, path)).toBe(answer)
})

test('handshakes are answered for hosts with such a challenge', () => {
  expect(pending().certificateFor('b.test')).toBe(handshake)
  expect(pending().certificateFor('a.test')).toBeNull()
})

test('what is replaced is gone', () => {
  const challenges = pending()
  challenges.replace([])
  expect(challenges.answer('a.test', '/.well-known/acme-challenge/aaa')).toBeNull()
  expect(challenges.certificateFor('b.test')).toBeNull()
})

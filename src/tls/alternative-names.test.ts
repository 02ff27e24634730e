import { expect, test } from 'vitest'
import { alternativeNames, firstUri } from './alternative-names.ts'

const rows: [printed: string | undefined, names: readonly string[]][] = [
  [undefined, []],
  ['', []],
  ['DNS:a.test, DNS:*.b.test', ['DNS=a.test', 'DNS=*.b.test']],
  ['URI:spiffe://td/ns/a, IP Address:127.0.0.1', ['URI=spiffe://td/ns/a', 'IP Address=127.0.0.1']],
  ['DNS:"a.test, DNS:evil.test", DNS:b.test', ['DNS=a.test, DNS:evil.test', 'DNS=b.test']],
  ['URI:"http://a/\\u0000b"', ['URI=http://a/\u0000b']],
  ['DNS:"broken\\x"', []],
]
test.each(rows)('%o', (printed, names) => {
  expect(alternativeNames(printed).map(({ type, value }) => `${type}=${value}`)).toEqual(names)
})

test('the first URI', () => {
  expect(firstUri('DNS:a.test, URI:spiffe://one, URI:spiffe://two')).toBe('spiffe://one')
  expect(firstUri('DNS:a.test')).toBeNull()
})

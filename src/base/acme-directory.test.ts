import { expect, test } from 'vitest'
import { acmeDirectory } from './acme-directory.ts'

const rows: [text: string, url: string | null][] = [
  ['letsencrypt', 'https://acme-v02.api.letsencrypt.org/directory'],
  ['letsencrypt-staging', 'https://acme-staging-v02.api.letsencrypt.org/directory'],
  ['https://ca.internal:9000/acme/acme/directory', 'https://ca.internal:9000/acme/acme/directory'],
  ['http://ca.internal/directory', null],
  ['https://user:password@ca.internal/directory', null],
  ['ca.internal', null],
  ['toString', null],
  ['', null],
]
test.each(rows)('%s', (text, url) => {
  expect(acmeDirectory(text)).toBe(url)
})

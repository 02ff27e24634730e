import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Headers } from '../http/headers.ts'
import { KeptHead } from '../http/kept-head.ts'
import { invariants } from '../http/message-writer.ts'
import { readSpellings } from '../http/spellings.ts'
import { writeRequestHead } from './h1-request-writer.ts'
import type { UpstreamRequest } from './transport.ts'

function requestOf(
  start: { method: string; target: string; authority: string },
  headers: Headers,
): UpstreamRequest {
  return {
    ...start,
    scheme: 'http',
    headers,
    bodyLength: 0,
    upgrade: null,
    expectsContinue: false,
    clientHttp2: false,
  }
}

test('a head is written with its framing', () => {
  const request = requestOf(
    { method: 'POST', target: '/a?b', authority: 'a.test:81' },
    new Headers(['accept', '*/*']),
  )
  const head = 'POST /a?b HTTP/1.1\r\nhost: a.test:81\r\naccept: */*\r\n'
  expect(writeRequestHead(request)).toBe(`${head}content-length: 0\r\n\r\n`)
  expect(writeRequestHead({ ...request, bodyLength: 5 })).toBe(`${head}content-length: 5\r\n\r\n`)
  expect(writeRequestHead({ ...request, bodyLength: -1 })).toBe(
    `${head}transfer-encoding: chunked\r\n\r\n`,
  )
})

test('spelled as the client did, Host too', () => {
  const headers = new Headers(['accept', '*/*', 'x-new', 'a'])
  headers.spellings = readSpellings('HOST: a\r\nAcCept: */*\r\n', 0)
  const request = requestOf({ method: 'GET', target: '/', authority: 'a' }, headers)
  expect(writeRequestHead(request)).toBe(
    'GET / HTTP/1.1\r\nHOST: a\r\nAcCept: */*\r\nx-new: a\r\n\r\n',
  )
})

test('one that comes again is written, refused and counted as one that comes for the first time', () => {
  const start = fc.record({
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'CONNECT', 'G T', ''),
    target: fc.constantFrom('/', '/a', '/a?b', '/ a', '/\r\nx: y', ''),
    authority: fc.constantFrom('a.test', 'b.test:80', '', 'a\r\n', 'ā'),
  })
  fc.assert(
    fc.property(fc.array(start, { minLength: 1, maxLength: 12 }), (starts) => {
      const kept = new KeptHead(['accept', '*/*'])
      for (const one of starts.flatMap((it) => [it, it])) {
        const before = invariants.violations
        const fresh = writeRequestHead(requestOf(one, new Headers(['accept', '*/*'])))
        const counted = invariants.violations - before
        expect(writeRequestHead(requestOf(one, Headers.again(kept)))).toBe(fresh)
        expect(invariants.violations - before).toBe(2 * counted)
        expect(counted).toBe(fresh === null ? 1 : 0)
      }
    }),
  )
})

test('a long start line is written and not kept', () => {
  const kept = new KeptHead([])
  const target = `/${'a'.repeat(2_048)}`
  const request = requestOf({ method: 'GET', target, authority: 'a' }, Headers.again(kept))
  expect(writeRequestHead(request)).toBe(`GET ${target} HTTP/1.1\r\nhost: a\r\n\r\n`)
  expect(kept.start).toBe(null)
})

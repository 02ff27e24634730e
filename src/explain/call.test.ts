import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CallProblem, checkCall, type ExplainCall, parseCallUrl, parseHeader } from './call.ts'
import { callOfQuery, queryOfCall } from './call-query.ts'

describe('a URL', () => {
  test.each([
    ['http://a.com', 'http', 'a.com', 80, '/'],
    ['http://a.com:80/x', 'http', 'a.com', 80, '/x'],
    ['http://a.com:8080/x?y=1#z', 'http', 'a.com:8080', 8080, '/x?y=1'],
    ['https://A.com?y', 'https', 'A.com', 443, '/?y'],
    ['a.com/x', 'http', 'a.com', 80, '/x'],
    ['wss://a.com/chat', 'https', 'a.com', 443, '/chat'],
    ['http://[::1]:8080/', 'http', '[::1]:8080', 8080, '/'],
    ['http://a.com/b/../c%2Fd//e', 'http', 'a.com', 80, '/b/../c%2Fd//e'],
  ])('%s is taken apart and not normalised', (text, scheme, authority, port, target) => {
    expect(parseCallUrl(text)).toMatchObject({ scheme, authority, port, target })
  })

  test.each(['', '/x', 'ftp://a.com', 'http://me@a.com/', 'http://a.com/\r\nx: y', 'http:///x'])(
    '%j is refused',
    (text) => {
      expect(parseCallUrl(text)).toBeInstanceOf(CallProblem)
    },
  )
})

test.each(['', 'x', ': v', 'a b: c', 'x: a\r\nb: c'])('%j is no header', (text) => {
  expect(parseHeader(text)).toBeInstanceOf(CallProblem)
})

const CALL: ExplainCall = {
  method: 'GET',
  url: 'http://a.com/',
  headers: [],
  sni: null,
  port: null,
  egress: false,
  from: null,
}

test('a method is a token, and egress knows no server names', () => {
  expect(checkCall(CALL)).toBeNull()
  expect(checkCall({ ...CALL, method: 'GET /' })).toBeInstanceOf(CallProblem)
  expect(checkCall({ ...CALL, egress: true, sni: 'a' })).toBeInstanceOf(CallProblem)
})

describe('the query of /explain', () => {
  test('gives the call back that was put into it', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 }).filter((one) => one.trim() === one)
    const value = text.filter((one) => !/[\r\n\0]/.test(one))
    const calls = fc.record({
      method: fc.constantFrom('GET', 'POST'),
      url: text,
      headers: fc.array(fc.tuple(fc.constantFrom('x', 'end-user'), value), { maxLength: 3 }),
      sni: fc.option(text),
      port: fc.option(fc.integer({ min: 1, max: 65_535 })),
      egress: fc.boolean(),
      from: fc.option(text),
    })
    fc.assert(
      fc.property(calls, (call) => {
        const query: Record<string, string | string[]> = {}
        for (const [name, given] of new URLSearchParams(queryOfCall(call))) {
          query[name] = name === 'header' ? [...(query[name] ?? []), given] : given
        }
        expect(callOfQuery(query)).toEqual(call)
      }),
      { numRuns: 200 },
    )
  })

  test.each([
    [{}, 'url is missing'],
    [{ url: 'a', port: '0' }, '"0" is not a port'],
    [{ url: 'a', egress: 'perhaps' }, 'egress=perhaps'],
    [{ url: 'a', header: 'nothing' }, '"nothing" is not a header'],
    [{ url: 'a', headers: 'x: y' }, 'there is no parameter headers'],
    [{ url: ['a', 'b'] }, 'url is given twice'],
    [{ url: 'a', format: 'xml' }, 'format xml is not known'],
  ])('%j is refused', (query, message) => {
    const found = callOfQuery(query)
    expect(found).toBeInstanceOf(CallProblem)
    expect((found as CallProblem).message).toContain(message)
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LimitRow } from './limit-row.ts'
import { LIMIT_NAMES, LIMITS } from './limit-table.ts'
import { durationText, parseLimit, parseLimitValue, rangeText, shownLimit } from './limit-text.ts'

describe('what --limit may say', () => {
  test.each([
    ['connections-per-address=5000', 'connections-per-address', 5000],
    ['connections-per-address=unlimited', 'connections-per-address', Infinity],
    ['connections=20000', 'connections', 20_000],
    ['open-files-reserve=0', 'open-files-reserve', 0],
    ['write-stall-timeout=30s', 'write-stall-timeout', 30_000],
    ['write-stall-timeout=1m30s', 'write-stall-timeout', 90_000],
    ['write-stall-timeout=0s', 'write-stall-timeout', Infinity],
    ['write-stall-timeout=unlimited', 'write-stall-timeout', Infinity],
    ['connection-drain-timeout=0s', 'connection-drain-timeout', 0],
    ['head-bytes=8192', 'head-bytes', 8192],
    ['head-bytes=8k', 'head-bytes', 8192],
    ['head-bytes=8KiB', 'head-bytes', 8192],
    ['buffer-bytes=1MiB', 'buffer-bytes', 1_048_576],
    ['request-trailers=forward', 'request-trailers', 'forward'],
    ['header-underscores=drop', 'header-underscores', 'drop'],
  ])('%s', (text, name, value) => {
    expect(parseLimit(text)).toEqual({ name, value })
  })

  test.each([
    ['connections-per-address=0', /cannot be "0"/, /whole number from 1 to .*, or unlimited/],
    ['connections-per-address=1e3', /cannot be/, /whole number/],
    ['connections-per-address=-1', /cannot be/, /whole number/],
    ['connections-per-address=', /cannot be ""/, /whole number/],
    ['connections-per-address', /has no value/, /--limit connections-per-address=VALUE/],
    ['write-stall-timeout=30', /cannot be "30"/, /duration from 1ms to 576h/],
    ['write-stall-timeout=1000h', /cannot be/, /576h/],
    ['tls-handshake-timeout=0s', /cannot be "0s"/, /from 1ms to 576h, such as 30s or 1m30s$/],
    ['tls-handshake-timeout=unlimited', /cannot be/, /duration/],
    ['head-bytes=1023', /cannot be/, /bytes \(or 64KiB, 1MiB\) from 1024 to 1048576$/],
    ['head-bytes=2MiB', /cannot be/, /from 1024 to 1048576/],
    ['head-bytes=8s', /cannot be/, /bytes/],
    ['header-fields=unlimited', /cannot be/, /from 1 to 10000$/],
    ['request-trailers=pass', /cannot be "pass"/, /one of drop, forward/],
    ['__proto__=1', /"__proto__" is not a limit/, /^docs\/limits\.md lists all/],
    ['=1', /"" is not a limit/, /^docs/],
    ['connections-per-adress=1', /is not a limit/, /did you mean connections-per-address\?/],
    ['max-connections-per-address=1', /is not a limit/, /did you mean connections-per-address\?/],
    ['max_head_bytes=1', /is not a limit/, /did you mean head-bytes\?/],
    ['h2-max-concurrent-streams=1', /is not a limit/, /did you mean h2-concurrent-streams\?/],
    ['write-stall=1s', /is not a limit/, /did you mean write-stall-timeout\?/],
    ['trailers=forward', /is not a limit/, /did you mean request-trailers\?/],
  ])('not %s', (text, problem, hint) => {
    const reading = parseLimit(text)
    expect(reading).toEqual({
      problem: expect.stringMatching(problem) as string,
      hint: expect.stringMatching(hint) as string,
    })
  })

  test('no text makes it throw', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...LIMIT_NAMES), (text, name) => {
        parseLimit(text)
        const reading = parseLimit(`${name}=${text}`)
        expect('name' in reading || reading.problem.startsWith(name)).toBe(true)
      }),
    )
  })
})

describe.each(LIMIT_NAMES.map((name): [string, LimitRow] => [name, LIMITS[name]]))(
  '%s',
  (name, row) => {
    test('is written with dashes and says what it means', () => {
      expect(name).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
      expect(row.meaning).toMatch(/\.$/)
      expect(rangeText(row)).not.toBe('')
    })

    test('may be set to what is shown as its default', () => {
      if (row.byDefault === null) return
      expect(parseLimitValue(row, `${shownLimit(row, row.byDefault)}`)).toBe(row.byDefault)
    })
  },
)

test.each([
  [0, '0s'],
  [1.5, '1.5ms'],
  [1_000, '1s'],
  [75_000, '75s'],
  [300_000, '5m'],
  [5_400_000, '90m'],
  [7_200_000, '2h'],
])('%d ms is %s', (ms, text) => {
  expect(durationText(ms)).toBe(text)
})

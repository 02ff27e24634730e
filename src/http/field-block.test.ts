import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FieldBlock } from './field-block.ts'
import { HttpSettings } from './http-settings.ts'
import { Refusal } from './refusal.ts'
import { RequestHeadParser } from './request-head.ts'
import { ResponseHeadParser } from './response-head.ts'

/** Lines that differ in what they do to the message; several blocks have the same length. */
const LINES = [
  'Host: one.test',
  'Host: two.test',
  'Accept: */*',
  'accept: */*',
  'X-Long: abcdefghijklmnopqrstuvwxyz',
  'Content-Length: 5',
  'Content-Length: 6',
  'Transfer-Encoding: chunked',
  'Connection: x-long',
  'Connection: close',
  'Keep-Alive: timeout=5',
  'TE: trailers',
  'Upgrade: websocket',
  'Authorization: a',
  'Bad Name: x',
  'X-Control: a\u0001b',
]

const blocks = fc
  .array(fc.subarray(LINES, { maxLength: 5 }), { minLength: 1, maxLength: 4 })
  .chain((pool) =>
    fc.array(fc.tuple(fc.constantFrom(...pool), fc.constantFrom('/a', '/b?c')), {
      minLength: 2,
      maxLength: 8,
    }),
  )

function textOf(start: string, lines: readonly string[]): string {
  return [start, ...lines, '', ''].join('\r\n')
}

describe('a connection that repeats itself', () => {
  test('requests read one after the other are what each is by itself', () => {
    const settings = new HttpSettings()
    const read = (parser: RequestHeadParser, text: string): object => {
      const outcome = parser.parse(text, text.length - 4)
      const { closes, wantsTrailers } = parser
      if (outcome instanceof Refusal) return { reason: outcome.reason }
      const seen = structuredClone({ ...outcome, fields: [...outcome.headers.fields] })
      // What the gateway does to a request must not show in the next one.
      outcome.headers.set('accept', 'changed')
      outcome.headers.remove('x-long')
      outcome.authority = 'changed.test'
      return { ...seen, headers: null, closes, wantsTrailers }
    }
    fc.assert(
      fc.property(blocks, (messages) => {
        const one = new RequestHeadParser(settings, 'http')
        for (const [lines, target] of messages) {
          const text = textOf(`GET ${target} HTTP/1.1`, lines)
          expect(read(one, text)).toEqual(read(new RequestHeadParser(settings, 'http'), text))
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('responses read one after the other are what each is by itself', () => {
    const read = (parser: ResponseHeadParser, text: string): object => {
      const refusal = parser.parse(text, text.length - 4)
      if (refusal !== null) return { reason: refusal.reason }
      const { status, length, framing, closes, upgrade, keepAliveMs, headers } = parser
      const fields = [...headers.fields]
      headers.set('accept', 'changed')
      headers.remove('x-long')
      return { status, length, framing, closes, upgrade, keepAliveMs, fields }
    }
    fc.assert(
      fc.property(blocks, (messages) => {
        const one = new ResponseHeadParser(100)
        for (const [lines, target] of messages) {
          const text = textOf(`HTTP/1.1 200 ${target}`, lines)
          expect(read(one, text)).toEqual(read(new ResponseHeadParser(100), text))
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('a request without a field does not get those of the one before', () => {
    const parser = new RequestHeadParser(new HttpSettings(), 'http')
    const full = textOf('GET / HTTP/1.1', ['Host: one.test'])
    for (let i = 0; i < 3; i++) parser.parse(full, full.length - 4)
    const bare = textOf('GET / HTTP/1.1', [])
    const outcome = parser.parse(bare, bare.length - 4)
    expect(outcome).toBeInstanceOf(Refusal)
    expect((outcome as Refusal).reason).toBe('missing-host')
  })
})

describe('what a block remembers', () => {
  const read = (block: FieldBlock, text: string): unknown => block.read(text, 0, 100, 'allow')

  test('nothing after one message; the lines after two of the same length', () => {
    const block = new FieldBlock()
    read(block, 'accept: a\r\n')
    expect(block.repeats('accept: a\r\n', 0)).toBe(false)
    read(block, 'accept: b\r\n')
    expect(block.repeats('accept: a\r\n', 0)).toBe(false)
    expect(block.repeats('accept: b\r\n', 0)).toBe(true)
  })

  test('no lines that were refused, and none before those', () => {
    const block = new FieldBlock()
    read(block, 'accept: a\r\n')
    read(block, 'accept: a\r\n')
    read(block, 'acc pt: a\r\n')
    expect(block.repeats('accept: a\r\n', 0)).toBe(false)
    expect(block.repeats('acc pt: a\r\n', 0)).toBe(false)
  })

  test('no head that is long', () => {
    const block = new FieldBlock()
    const long = `cookie: ${'x'.repeat(4_000)}\r\n`
    read(block, long)
    read(block, long)
    expect(block.repeats(long, 0)).toBe(false)
  })
})

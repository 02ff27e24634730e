import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Base64Decoder } from './base64-decoder.ts'

function decode(chunks: readonly string[]): { text: string; isOpen: boolean } | null {
  const decoder = new Base64Decoder()
  let text = ''
  for (const chunk of chunks) {
    const bytes = decoder.decode(Buffer.from(chunk, 'latin1'))
    if (bytes === null) return null
    text += bytes.toString('latin1')
  }
  return { text, isOpen: decoder.isOpen }
}

describe('base64 in chunks', () => {
  test.each<[string, string[], string]>([
    ['nothing', [''], ''],
    ['whole groups', ['aGVsbG8h'], 'hello!'],
    ['one character at a time', [...'aGVsbG8h'], 'hello!'],
    ['a group over two chunks', ['aGVs', 'bG', '8h'], 'hello!'],
    ['padding at the end', ['aGVsbG8='], 'hello'],
    ['padding cut in two', ['aGVsbA=', '='], 'hell'],
    ['padding where a sender flushed', ['aA==aQ==', 'ag=='], 'hij'],
    ['all signs', ['+/+/'], '\xfb\xff\xbf'],
  ])('%s', (_name, chunks, text) => {
    expect(decode(chunks)).toEqual({ text, isOpen: false })
  })

  test.each([
    ['a foreign sign', 'aGV*'],
    ['white space', 'aGVs\r\n'],
    ['the alphabet of URLs', '-_-_'],
    ['padding at the start', '=aaa'],
    ['padding as second sign', 'a=aa'],
    ['a letter behind padding', 'aa=a'],
    ['too much padding', 'aa==='],
    ['a byte above ASCII', 'aa\xe9a'],
  ])('refused: %s', (_name, text) => {
    expect(decode([text])).toBeNull()
    expect(decode([...text])).toBeNull()
  })

  test('a group that is cut off stays open', () => {
    expect(decode(['aGVsb'])).toEqual({ text: 'hel', isOpen: true })
  })

  test('any bytes survive any cuts and flushes', () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 })
    fc.assert(
      fc.property(parts, fc.array(fc.nat(12)), (flushes, cuts) => {
        const sent = flushes.map((bytes) => Buffer.from(bytes).toString('base64')).join('')
        const chunks: string[] = []
        let at = 0
        for (const cut of cuts) {
          chunks.push(sent.slice(at, at + cut))
          at += cut
        }
        chunks.push(sent.slice(at))
        const text = Buffer.concat(flushes.map((bytes) => Buffer.from(bytes))).toString('latin1')
        expect(decode(chunks)).toEqual({ text, isOpen: false })
      }),
      { numRuns: 200 },
    )
  })
})

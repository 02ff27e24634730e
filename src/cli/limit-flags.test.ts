import { expect, test } from 'vitest'
import { EXIT_USAGE } from './exit.ts'
import { parseLimits } from './limit-flags.ts'

test('each flag sets one limit', () => {
  expect(parseLimits(['head-bytes=8k', 'request-trailers=forward'])).toEqual(
    new Map<string, number | string>([
      ['head-bytes', 8_192],
      ['request-trailers', 'forward'],
    ]),
  )
})

test.each([
  [['head-byte=1'], '"head-byte" is not a limit', /did you mean head-bytes\? docs\/limits\.md/],
  [['head-bytes=1'], 'head-bytes cannot be "1"', /write --limit head-bytes=VALUE with bytes/],
  [['head-bytes=8k', 'head-bytes=8k'], 'head-bytes is given twice', /leave one of them out/],
])('%j is a usage error', (texts, message, hint) => {
  expect(() => parseLimits(texts)).toThrow(
    expect.objectContaining({
      message,
      where: '--limit',
      hint: expect.stringMatching(hint) as string,
      exitCode: EXIT_USAGE,
    }),
  )
})

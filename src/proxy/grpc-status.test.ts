import fc from 'fast-check'
import { expect, test } from 'vitest'
import { grpcMessage, grpcStatusOf } from './grpc-status.ts'

test.each([
  [400, 13],
  [401, 16],
  [403, 7],
  [404, 12],
  [429, 14],
  [502, 14],
  [503, 14],
  [504, 14],
  [200, 2],
  [301, 2],
  [413, 2],
  [500, 2],
])('HTTP %i is gRPC %i', (http, grpc) => {
  expect(grpcStatusOf(http)).toBe(grpc)
})

test.each([
  ['plain text.', 'plain text.'],
  ['100%', '100%25'],
  ['a\r\nb\0', 'a%0D%0Ab%00'],
  ['\x7f\x80\xff', '%7F%80%FF'],
  ['', ''],
])('message %j travels as %j', (text, encoded) => {
  expect(grpcMessage(text)).toBe(encoded)
})

test('every message is visible ASCII and decodes to its bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const text = Buffer.from(bytes).toString('latin1')
      const encoded = grpcMessage(text)
      expect(encoded).toMatch(/^[ -~]*$/)
      const decoded = encoded.replace(/%(..)/g, (_, hex: string) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      )
      expect(decoded).toBe(text)
    }),
    { numRuns: 200 },
  )
})

import { encode } from 'dns-packet'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeReply, failed, parseQuery, RCODE } from './message.ts'

test('no bytes make reading throw, and what is answered at once is never longer than they are', () => {
  const valid = encode({ type: 'query', id: 1, questions: [{ name: 'web.test', type: 'A' }] })
  const mutated = fc
    .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 6 })
    .map((changes) => {
      const bytes = Buffer.from(valid)
      for (const [at, value] of changes) bytes[at] = value
      return bytes
    })
  const any = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes))
  fc.assert(
    fc.property(fc.oneof(mutated, any), (bytes) => {
      const parsed = parseQuery(bytes)
      if (!('reply' in parsed)) {
        const refused = encodeReply(parsed, failed(RCODE.refused), parsed.payloadBytes)
        expect(refused.readUInt16BE(0)).toBe(bytes.readUInt16BE(0))
        expect(refused.length).toBeLessThanOrEqual(bytes.length)
      } else if (parsed.reply !== null && parsed.rcode !== RCODE.badVers) {
        expect(parsed.reply.length).toBeLessThanOrEqual(bytes.length)
      }
    }),
    { numRuns: 500 },
  )
})

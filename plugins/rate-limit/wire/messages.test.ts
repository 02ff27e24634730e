import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type AnsweredStatus,
  fieldsOf,
  requestBytes,
  responseBytes,
} from '../../../test/support/rate-limit-service.ts'
import { readRequest } from '../server/json-messages.ts'
import { decodeHealthRequest, isServing } from './health-message.ts'
import { messageOf, utf8Bytes, varint } from './proto-bytes.ts'
import { decodeRequest, encodeDescriptor, encodeDomain, encodeHits } from './request-message.ts'
import { decodeResponse, encodeResponse, OK, OVER_LIMIT, UNKNOWN } from './response-message.ts'
import { unitOf } from './unit.ts'

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')
const word = fc.string({ unit: 'grapheme', maxLength: 20 })
const uint32 = fc.integer({ min: 0, max: 0xffffffff })
const RUNS = { numRuns: 200 }

const asked = fc.record({
  domain: word.filter((text) => text !== ''),
  descriptors: fc.array(
    fc.record({ entries: fc.array(fc.tuple(word, word), { maxLength: 4 }), hits: uint32 }),
    { maxLength: 4 },
  ),
  hitsAddend: uint32,
})

test('a request written here is one that others write', () => {
  fc.assert(
    fc.property(asked, ({ domain, descriptors, hitsAddend }) => {
      const text =
        encodeDomain(latin1(domain)) +
        descriptors
          .map(({ entries, hits }) => encodeDescriptor(entries.flat().map(latin1), hits))
          .join('') +
        encodeHits(hitsAddend)
      expect(decodeRequest(messageOf(text))).toEqual(
        decodeRequest(
          requestBytes({
            domain,
            descriptors: descriptors.map(({ entries, hits }) => ({ entries, hitsAddend: hits })),
            hitsAddend,
          }),
        ),
      )
      expect(decodeRequest(messageOf(text))).toEqual({
        domain: latin1(domain),
        descriptors: descriptors.map(({ entries, hits }) => ({
          entries: entries.flat().map(latin1),
          limit: null,
          hitsAddend: hits,
        })),
        hitsAddend,
      })
    }),
    RUNS,
  )
})

const status = fc.record({
  code: fc.constantFrom(UNKNOWN, OK, OVER_LIMIT),
  limit: fc.option(
    fc.record({ requestsPerUnit: uint32, unit: fc.integer({ min: 1, max: 7 }), name: word }),
  ),
  remaining: uint32,
  resetSeconds: fc.integer({ min: 0, max: 31_536_000 }),
})

test('a response read here is one that others write, and the other way round', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(UNKNOWN, OK, OVER_LIMIT),
      fc.array(status, { maxLength: 4 }),
      fc.uint8Array({ maxLength: 50 }),
      (code, statuses, body) => {
        const theirs = responseBytes({
          code,
          statuses: statuses.map(({ limit, ...rest }): AnsweredStatus =>
            limit === null ? rest : { ...rest, limit },
          ),
          responseHeaders: [['x-a', 'b']],
          requestHeaders: [['x-c', 'd']],
          body: Buffer.from(body),
        })
        const read = decodeResponse(theirs)
        expect(read).toEqual({
          code,
          statuses: statuses.map(({ limit, ...rest }) => ({
            ...rest,
            limit:
              limit === null
                ? null
                : { ...limit, unit: unitOf(limit.unit), name: latin1(limit.name) },
          })),
          responseHeaders: ['x-a', 'b'],
          requestHeaders: ['x-c', 'd'],
          body: Buffer.from(body),
        })
        const written = messageOf(encodeResponse(read!))
        expect(() => fieldsOf(written)).not.toThrow()
        expect(decodeResponse(written)).toEqual({
          ...read,
          requestHeaders: [],
          body: Buffer.alloc(0),
        })
      },
    ),
    RUNS,
  )
})

test('no bytes make a reader throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (array) => {
      const bytes = Buffer.from(array)
      decodeRequest(bytes)
      decodeResponse(bytes)
      decodeHealthRequest(bytes)
      isServing(bytes)
      readRequest(bytes.toString('utf8'))
    }),
    { numRuns: 2000 },
  )
})

test('no JSON makes the reader of requests throw', () => {
  const key = fc.constantFrom('domain', 'descriptors', 'entries', 'limit', 'unit', 'hits_addend')
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc.jsonValue(),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
    ),
  }))
  fc.assert(
    fc.property(tree, (value) => {
      readRequest(JSON.stringify(value) ?? '')
    }),
    RUNS,
  )
})

test('a message that ends too early is none', () => {
  const whole = requestBytes({ domain: 'edge', descriptors: [{ entries: [['a', 'b']] }] })
  expect(decodeRequest(whole)).toMatchObject({ domain: 'edge' })
  expect(decodeRequest(whole.subarray(0, -1))).toBe('the message is not a RateLimitRequest')
})

test('fields of later versions are skipped, whatever their type', () => {
  const known = requestBytes({ domain: 'edge', descriptors: [] })
  // Field 99: a varint, 8 bytes, 4 bytes, 2 bytes with their length.
  const unknown = ['980601', '99060102030405060708', '9d0601020304', '9a06020102'].join('')
  const bytes = Buffer.concat([Buffer.from(unknown, 'hex'), known])
  expect(decodeRequest(bytes)).toEqual({ domain: 'edge', descriptors: [], hitsAddend: 0 })
})

test.for([
  { name: 'ASCII', bytes: 'ada', sent: 'ada' },
  { name: 'UTF-8', bytes: 'a\xc3\xa9', sent: 'a\xc3\xa9' },
  { name: 'latin1', bytes: 'a\xe9', sent: 'a\xc3\xa9' },
  { name: 'a lone continuation byte', bytes: '\x80', sent: '\xc2\x80' },
])('a value of $name goes out as UTF-8', ({ bytes, sent }) => {
  expect(utf8Bytes(bytes)).toBe(sent)
})

test('numbers beyond 32 bits are written whole', () => {
  expect(Buffer.from(varint(0), 'latin1').toString('hex')).toBe('00')
  expect(Buffer.from(varint(300), 'latin1').toString('hex')).toBe('ac02')
  expect(Buffer.from(varint(2 ** 40), 'latin1').toString('hex')).toBe('808080808020')
})

test('a negative duration is none, a part of a second counts as one', () => {
  const answer = (duration: string): number | undefined => {
    const hex = Buffer.from(duration, 'hex')
    const inner = Buffer.concat([Buffer.from([0x22, hex.length]), hex])
    const message = Buffer.concat([Buffer.from([0x12, inner.length]), inner])
    return decodeResponse(message)?.statuses[0]?.resetSeconds
  }
  expect(answer('08ffffffffffffffffff01')).toBe(0)
  expect(answer('08021080c2d72f')).toBe(3)
  expect(answer('0807')).toBe(7)
})

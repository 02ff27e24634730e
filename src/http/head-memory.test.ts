import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { heldHeapBytes } from '../../test/support/held-memory.ts'
import { waitFor } from '../../test/support/wait.ts'
import { HeadMemory } from './head-memory.ts'
import { HeadReader } from './head-reader.ts'
import { HttpSettings } from './http-settings.ts'
import { sharedView } from './read-buffers.ts'
import { Refusal } from './refusal.ts'
import { type RepeatedHead, RepeatedHeads } from './repeated-head.ts'
import { Request } from './request.ts'
import { RequestReader } from './request-reader.ts'
import { ResponseReader } from './response-reader.ts'

/** Lines that differ in what they do to the message; several heads have the same length. */
const LINES = [
  'Host: one.test',
  'Host: two.test',
  'Accept: */*',
  'X-Long: abcdefghijklmnopqrstuvwxyz',
  'Content-Length: 5',
  'Transfer-Encoding: chunked',
  'Connection: x-long',
  'Connection: close',
  'Keep-Alive: timeout=5',
  'TE: trailers',
  'Expect: 100-continue',
  'Authorization: a',
  'X-Control: a\u0001b',
]

/** How the bytes of a head come: first and last in a chunk or not, whole or in two pieces. */
const ARRIVALS = [
  'alone',
  'with more',
  'with much',
  'twice',
  'behind an empty line',
  'within another',
  'in pieces',
]

/** Behind a head: too much for the whole chunk to be one that shared reads know already. */
const MUCH = 'more'.repeat(1_024)

/** What `messages` gives at most. */
const MOST_MESSAGES = 21
/** Which of two connections each message comes on. */
const CONNECTIONS = fc.oneof(
  fc.constant<number[]>(Array.from({ length: MOST_MESSAGES }, () => 0)),
  fc.array(fc.nat(1), { minLength: MOST_MESSAGES, maxLength: MOST_MESSAGES }),
)

interface Message {
  readonly head: Buffer
  readonly arrival: string
}

/** Few heads that come again and again, so that one is kept; now and then another in between. */
function messages(starts: readonly string[]): fc.Arbitrary<Message[]> {
  const lines = fc.subarray(LINES, { maxLength: 4 }).map((some) => ['Host: one.test', ...some])
  const head = fc
    .tuple(fc.constantFrom(...starts), fc.oneof(fc.constant(['Host: one.test']), lines))
    .map(([start, all]) => Buffer.from([start, ...all, '', ''].join('\r\n'), 'latin1'))
  const run = fc.tuple(head, fc.array(fc.constantFrom(...ARRIVALS), { minLength: 1, maxLength: 7 }))
  return fc
    .array(run, { minLength: 1, maxLength: 3 })
    .map((runs) => runs.flatMap(([bytes, all]) => all.map((arrival) => ({ head: bytes, arrival }))))
}

/** `text` as a read of a socket brings it: in the memory that all of them share. */
function received(...parts: readonly (Buffer | string)[]): Buffer {
  const bytes = Buffer.concat(parts.map((part) => Buffer.from(part)))
  const view = sharedView(bytes.length)
  bytes.copy(view)
  return view
}

type Read<T> = (chunk: Buffer, at: number) => T

/**
 * Hands the message over as it came. What the last call returned, or the one that refused, and how
 * far behind the head the next message begins.
 */
function arrive<T>(
  { head, arrival }: Message,
  read: Read<T>,
  next: () => number,
): { outcome: T; behind: number } {
  const behindOf = (first: Buffer | string, rest: Buffer): { outcome: T; behind: number } => {
    const outcome = read(received(first), 0)
    if (isRefused(outcome)) return { outcome, behind: 0 }
    return { outcome: read(received(rest), 0), behind: next() - rest.length }
  }
  switch (arrival) {
    case 'with more':
      return { outcome: read(received(head, 'more'), 0), behind: next() - head.length }
    case 'with much':
      return { outcome: read(received(head, MUCH), 0), behind: next() - head.length }
    case 'twice': {
      const chunk = received(head, head)
      const outcome = read(chunk, 0)
      if (isRefused(outcome)) return { outcome, behind: 0 }
      return { outcome: read(chunk, head.length), behind: next() - chunk.length }
    }
    case 'behind an empty line':
      return behindOf('\r\n', head)
    case 'within another':
      return behindOf(`${head.toString('latin1').split('\r\n', 1)[0]}\r\nx-begun: `, head)
    case 'in pieces':
      return behindOf(head.subarray(0, head.length >> 1), head.subarray(head.length >> 1))
    default:
      return { outcome: read(received(head), 0), behind: next() - head.length }
  }
}

function isRefused(outcome: unknown): boolean {
  return outcome instanceof Refusal
}

describe('of heads that come again and again', () => {
  test.each([true, false])('each request is what it is by itself (spelled: %s)', (spelled) => {
    const settings = new HttpSettings({ preserveHeaderCase: spelled })
    const read = (reader: RequestReader, message: Message): object => {
      const { outcome, behind } = arrive(
        message,
        (chunk, at) => reader.read(chunk, at),
        () => reader.next,
      )
      if (outcome instanceof Refusal) return { reason: outcome.reason }
      if (!(outcome instanceof Request)) return { outcome }
      const { closes, wantsTrailers } = reader
      const { headers, ...rest } = outcome
      const seen = { ...rest, fields: [...headers.fields], spellings: headers.spellings }
      // What the gateway does to a request must not show in the next one.
      headers.set('accept', 'changed')
      headers.remove('x-long')
      outcome.authority = 'changed.test'
      outcome.path = '/changed'
      outcome.scheme = 'https'
      outcome.toProxy = true
      return { ...seen, closes, wantsTrailers, behind }
    }
    const starts = ['GET /a HTTP/1.1', 'GET /b HTTP/1.1', 'POST /b?c HTTP/1.1', 'GET /a HTTP/1.0']
    fc.assert(
      fc.property(messages(starts), CONNECTIONS, (all, places) => {
        const heads = new RepeatedHeads()
        const connect = (): RequestReader => new RequestReader(settings, 'http', heads, 'here')
        const connections = [connect(), connect()]
        for (const [i, message] of all.entries()) {
          const alone = read(new RequestReader(settings, 'http'), message)
          expect(read(connections[places[i]!]!, message)).toEqual(alone)
          // The connection ends there.
          if ('reason' in alone) connections[places[i]!] = connect()
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('each answer is what it is by itself', () => {
    const read = (reader: ResponseReader, message: Message, spelled: boolean): object => {
      reader.head.keepsSpellings = spelled
      const { outcome, behind } = arrive(
        message,
        (chunk, at) => reader.read(chunk, at) || reader.refusal,
        () => reader.next,
      )
      if (outcome !== true) return { reason: outcome?.reason }
      const { status, length, framing, closes, upgrade, keepAliveMs, headers } = reader.head
      const { spellings } = headers
      const fields = [...headers.fields]
      headers.set('accept', 'changed')
      headers.remove('x-long')
      return { status, length, framing, closes, upgrade, keepAliveMs, fields, spellings, behind }
    }
    const starts = ['HTTP/1.1 200 OK', 'HTTP/1.1 204 OK', 'HTTP/1.0 200 OK', 'HTTP/1.1 100 OK']
    const spelled = fc.array(fc.boolean(), { minLength: MOST_MESSAGES, maxLength: MOST_MESSAGES })
    fc.assert(
      fc.property(messages(starts), CONNECTIONS, fc.option(spelled), (all, places, spelledAll) => {
        const heads = new RepeatedHeads()
        const connect = (): ResponseReader => new ResponseReader(1_000, 100, heads)
        const connections = [connect(), connect()]
        for (const [i, message] of all.entries()) {
          const isSpelled = spelledAll?.[i] ?? false
          const alone = read(new ResponseReader(1_000, 100), message, isSpelled)
          expect(read(connections[places[i]!]!, message, isSpelled)).toEqual(alone)
          if ('reason' in alone) connections[places[i]!] = connect()
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('what is kept', () => {
  const HEAD = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'

  /** One connection: `note` reads a head, `kept` tells how much of a chunk is the one that is kept. */
  class Memory {
    readonly #reader = new HeadReader(10_000, 1)
    readonly #memory: HeadMemory

    constructor(heads: RepeatedHeads = new RepeatedHeads(), sender: string = 'here') {
      this.#memory = new HeadMemory(heads, sender)
    }

    note(head: string): void {
      expect(this.#reader.read(received(head, 'body'), 0)).toBe(true)
      this.#memory.note(this.#reader, ['accept', '*/*'], null)
    }

    take(chunk: Buffer): RepeatedHead | null {
      return this.#memory.take(this.#reader, chunk, 0)
    }

    kept(chunk: Buffer): number {
      return this.take(chunk)?.bytes.length ?? 0
    }
  }

  test('is a head that came three times, to the byte', () => {
    const memory = new Memory()
    memory.note(HEAD)
    memory.note(HEAD)
    expect(memory.kept(received(HEAD))).toBe(0)
    memory.note(HEAD)
    expect(memory.kept(received(HEAD))).toBe(HEAD.length)
    expect(memory.kept(received(HEAD, 'and more'))).toBe(HEAD.length)
    expect(memory.kept(Buffer.from(HEAD))).toBe(HEAD.length)
    expect(memory.kept(received(HEAD.slice(0, -1)))).toBe(0)
    for (let i = 0; i < HEAD.length; i++) {
      const other = received(HEAD)
      other[i]! ^= 0x20
      expect(memory.kept(other)).toBe(0)
    }
  })

  test('is found in whatever memory it comes', () => {
    const memory = new Memory()
    for (let i = 0; i < 3; i++) memory.note(HEAD)
    for (const chunk of [received(HEAD, MUCH), Buffer.from(`${HEAD}more`)]) {
      expect(memory.kept(chunk)).toBe(HEAD.length)
      for (let i = 0; i < HEAD.length; i++) {
        chunk[i]! ^= 0x20
        expect(memory.kept(chunk)).toBe(0)
        chunk[i]! ^= 0x20
      }
    }
    expect(memory.kept(Buffer.from(HEAD.slice(0, -1)))).toBe(0)
    expect(memory.kept(Buffer.from(HEAD).subarray(1))).toBe(0)
  })

  test('is none behind another', () => {
    const memory = new Memory()
    for (let i = 0; i < 3; i++) memory.note(HEAD)
    memory.note(HEAD.replace('a', 'b'))
    expect(memory.kept(received(HEAD))).toBe(0)
  })

  test('is no head that is long', () => {
    const memory = new Memory()
    const long = `GET / HTTP/1.1\r\ncookie: ${'x'.repeat(2_048)}\r\n\r\n`
    for (let i = 0; i < 5; i++) memory.note(long)
    expect(memory.kept(received(long))).toBe(0)
  })

  describe('on several connections', () => {
    const learn = (heads: RepeatedHeads, sender: string, head = HEAD): RepeatedHead | null => {
      const memory = new Memory(heads, sender)
      for (let i = 0; i < 3; i++) memory.note(head)
      return memory.take(received(head))
    }

    test.each([1, 1_024])('is there once for each sender (places: %s)', (places) => {
      const heads = new RepeatedHeads(places)
      const first = learn(heads, '10.0.0.1')
      expect(first?.bytes.toString('latin1')).toBe(HEAD)
      expect(learn(heads, '10.0.0.1')).toBe(first)
      const other = learn(heads, '10.0.0.2')
      expect(other?.bytes.toString('latin1')).toBe(HEAD)
      expect(other).not.toBe(first)
      expect(learn(new RepeatedHeads(), '10.0.0.1')).not.toBe(first)
    })

    test('is another one where two share a place in the table', () => {
      const heads = new RepeatedHeads(1)
      const first = learn(heads, '10.0.0.1')
      const other = HEAD.replace('a', 'b')
      expect(learn(heads, '10.0.0.1', other)?.bytes.toString('latin1')).toBe(other)
      expect(first?.bytes.toString('latin1')).toBe(HEAD)
      const again = learn(heads, '10.0.0.1')
      expect(again?.bytes.toString('latin1')).toBe(HEAD)
      expect(again).not.toBe(first)
    })

    test('goes with the last of them', async () => {
      const heads = new RepeatedHeads()
      let left: WeakRef<RepeatedHead> | null = null
      const use = (): void => {
        left = new WeakRef(learn(heads, '10.0.0.1')!)
      }
      use()
      await waitFor('the head to be freed', () => {
        heldHeapBytes()
        return left!.deref() === undefined
      })
    })
  })
})

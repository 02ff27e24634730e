import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AttemptDouble } from '../../test/support/exchange-double.ts'
import { Headers } from '../http/headers.ts'
import { MAX_KEPT_CHUNKS, MAX_REPLAY_BYTES, ReplayBudget } from './replay-budget.ts'
import { type BodyShadow, RequestBody } from './request-body.ts'

/** Hands `text` on in a chunk that is worthless afterwards, as the wire does. */
function lend(text: string, use: (chunk: Buffer) => void): void {
  const chunk = Buffer.from(text)
  use(chunk)
  chunk.fill(0x23)
}

function stream(): AttemptDouble {
  const handler = {} as AttemptDouble['handler']
  return new AttemptDouble({ request: null, handler, remote: 'a:1', reused: false, tried: null })
}

class HeardShadow implements BodyShadow {
  readonly heard: string[] = []

  onBody(chunk: Buffer): void {
    this.heard.push(chunk.toString())
  }

  onEnd(trailers: Headers | null): void {
    this.heard.push(trailers === null ? 'end' : `end ${trailers.get('x-t')}`)
  }

  onAbort(): void {
    this.heard.push('abort')
  }
}

describe('what another attempt could send', () => {
  const cases: [name: string, limit: number, held: string, forwarded: string, again: boolean][] = [
    ['nothing was sent', 0, '', '', true],
    ['a body that waits', 0, 'wait', '', true],
    ['a body on its way that is not kept', 0, '', 'sent', false],
    ['a body that waited, was sent and is not kept', 0, 'wait', '.', false],
    ['a body that is kept', 8, 'wait', 'sent', true],
    ['a body as long as the limit', 8, '', 'complete', true],
    ['a body longer than the limit', 8, 'wait', 'sent!', false],
  ]
  test.each(cases)('%s', (_name, limit, held, forwarded, again) => {
    const budget = new ReplayBudget()
    const body = new RequestBody(budget, false)
    if (held !== '') lend(held, (chunk) => body.hold(chunk))
    body.keep(limit)
    const first = stream()
    if (forwarded !== '') {
      expect(body.start(first)).toBe(true)
      lend(forwarded, (chunk) => body.forward(chunk, first))
      expect(first.body).toBe(held + forwarded)
    }
    expect(body.repeatable).toBe(again)
    if (again) {
      const second = stream()
      body.start(second)
      expect(second.body).toBe(held + forwarded)
    }
    body.close()
    expect(budget.bytes).toBe(0)
  })

  test('chunks that come between two attempts go with the next one, over the limit too', () => {
    const budget = new ReplayBudget()
    const body = new RequestBody(budget, false)
    body.keep(4)
    lend('kept', (chunk) => body.forward(chunk, stream()))
    lend(' and more', (chunk) => body.hold(chunk))
    expect(body.repeatable).toBe(true)
    const second = stream()
    body.keep(4)
    body.start(second)
    expect(second.body).toBe('kept and more')
    expect(body.repeatable).toBe(false)
    expect(budget.bytes).toBe(0)
  })

  test('the last attempt keeps nothing', () => {
    const budget = new ReplayBudget()
    const body = new RequestBody(budget, false)
    body.keep(100)
    lend('kept', (chunk) => body.forward(chunk, stream()))
    expect(budget.bytes).toBe(4)
    body.keep(0)
    expect(budget.bytes).toBe(0)
    const last = stream()
    body.start(last)
    expect(last.body).toBe('kept')
    expect(body.repeatable).toBe(false)
  })

  test('when all exchanges together keep too much, a body is sent once', () => {
    const budget = new ReplayBudget(10)
    const [first, second] = [new RequestBody(budget, false), new RequestBody(budget, false)]
    first.keep(8)
    lend('sixsix', (chunk) => first.forward(chunk, stream()))
    second.keep(8)
    lend('sixsix', (chunk) => second.forward(chunk, stream()))
    expect([first.repeatable, second.repeatable]).toEqual([true, false])
    first.settle()
    expect(budget.bytes).toBe(0)
  })

  test('a body in very many chunks is sent once', () => {
    const body = new RequestBody(new ReplayBudget(), false)
    const sink = stream()
    body.keep(MAX_REPLAY_BYTES)
    for (let i = 0; i < MAX_KEPT_CHUNKS; i++) lend('.', (chunk) => body.forward(chunk, sink))
    expect(body.repeatable).toBe(true)
    lend('.', (chunk) => body.forward(chunk, sink))
    expect(body.repeatable).toBe(false)
    expect(sink.body.length).toBe(MAX_KEPT_CHUNKS + 1)
  })

  test('a full upstream says so', () => {
    const body = new RequestBody(new ReplayBudget(), false)
    lend('held', (chunk) => body.hold(chunk))
    const full = stream()
    full.hasRoom = false
    expect(body.start(full)).toBe(false)
  })
})

test('however chunks, attempts and limits follow each other, an attempt sends the whole or none begins', () => {
  const step = fc.oneof(
    fc.record({ chunk: fc.string({ minLength: 1, maxLength: 6, unit: 'grapheme-ascii' }) }),
    fc.record({ limit: fc.nat(20) }),
    fc.constant('fails' as const),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.nat(30), (steps, inAll) => {
      const budget = new ReplayBudget(inAll)
      const body = new RequestBody(budget, false)
      const shadow = new HeardShadow()
      body.shadowWith(shadow)
      let sent = ''
      let upstream: AttemptDouble | null = null
      for (const next of steps) {
        if (next === 'fails') upstream = null
        else if ('chunk' in next) {
          sent += next.chunk
          const to = upstream
          lend(next.chunk, (chunk) => (to === null ? body.hold(chunk) : body.forward(chunk, to)))
        } else if (upstream === null) {
          if (!body.repeatable) break
          upstream = stream()
          body.keep(next.limit)
          body.start(upstream)
        }
        if (upstream !== null) expect(upstream.body).toBe(sent)
        expect(budget.bytes).toBeLessThanOrEqual(Math.min(inAll, 20))
      }
      body.close()
      expect(budget.bytes).toBe(0)
      expect(shadow.heard.join('')).toBe(`${sent}abort`)
    }),
    { numRuns: 300 },
  )
})

describe('a shadow', () => {
  test('hears each byte once, whatever retries do', () => {
    const body = new RequestBody(new ReplayBudget(), false)
    const shadow = new HeardShadow()
    lend('a', (chunk) => body.hold(chunk))
    body.shadowWith(shadow)
    body.keep(100)
    body.start(stream())
    lend('b', (chunk) => body.forward(chunk, stream()))
    body.keep(100)
    body.start(stream())
    lend('c', (chunk) => body.hold(chunk))
    body.end(new Headers(['x-t', '1']))
    body.end(null)
    body.close()
    expect(shadow.heard).toEqual(['a', 'b', 'c', 'end 1'])
  })

  test('hears at once of a request that is complete already', () => {
    const body = new RequestBody(new ReplayBudget(), false)
    lend('all', (chunk) => body.hold(chunk))
    body.end(null)
    const shadow = new HeardShadow()
    body.shadowWith(shadow)
    expect(shadow.heard).toEqual(['all', 'end'])
  })

  test('hears that the client gave up', () => {
    const body = new RequestBody(new ReplayBudget(), false)
    const shadow = new HeardShadow()
    body.shadowWith(shadow)
    body.close()
    body.close()
    expect(shadow.heard).toEqual(['abort'])
  })
})

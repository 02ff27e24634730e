import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BLOCK_BYTES, MAX_BACKLOG_BYTES, MirrorBacklog } from './mirror-backlog.ts'
import { MAX_SHADOW_BYTES, Mirrors } from './mirrors.ts'

function drain(backlog: MirrorBacklog): Buffer {
  const taken: Buffer[] = []
  for (let block = backlog.take(); block !== null; block = backlog.take()) taken.push(block)
  return Buffer.concat(taken)
}

test('bytes come out as they went in, however pushes and takes alternate', () => {
  const step = fc.oneof(
    fc.integer({ min: 0, max: 3 * BLOCK_BYTES }).map((length) => ({ push: length })),
    fc.constant({ push: -1 }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const mirrors = new Mirrors()
      const backlog = new MirrorBacklog(mirrors)
      const pushed: Buffer[] = []
      const taken: Buffer[] = []
      let seed = 0
      for (const { push } of steps) {
        if (push === -1) {
          const block = backlog.take()
          if (block !== null) taken.push(Buffer.from(block))
          continue
        }
        const chunk = Buffer.alloc(push, ++seed)
        expect(backlog.push(chunk)).toBe(true)
        pushed.push(Buffer.from(chunk))
        chunk.fill(0xff)
      }
      const out = Buffer.concat([...taken, drain(backlog)])
      expect(out.equals(Buffer.concat(pushed))).toBe(true)
      expect([backlog.empty, mirrors.heldBytes]).toEqual([true, 0])
    }),
    { numRuns: 60 },
  )
})

test('one shadow holds back no more than its share, however small the chunks', () => {
  const backlog = new MirrorBacklog(new Mirrors())
  const chunk = Buffer.alloc(1_000)
  let bytes = 0
  while (backlog.push(chunk)) bytes += chunk.length
  expect(bytes).toBeGreaterThan(MAX_BACKLOG_BYTES - chunk.length)
  expect(bytes).toBeLessThanOrEqual(MAX_BACKLOG_BYTES)
})

test('all shadows together hold back no more than theirs, and give it back', () => {
  const mirrors = new Mirrors()
  const backlogs: MirrorBacklog[] = []
  const chunk = Buffer.alloc(1)
  for (;;) {
    const backlog = new MirrorBacklog(mirrors)
    if (!backlog.push(chunk)) break
    backlogs.push(backlog)
  }
  expect(backlogs).toHaveLength(MAX_SHADOW_BYTES / BLOCK_BYTES)
  for (const backlog of backlogs) backlog.clear()
  expect(mirrors.heldBytes).toBe(0)
})

import type { Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { socketPair } from '../../test/support/socket-pair.ts'
import { waitFor } from '../../test/support/wait.ts'
import { IdleWatch } from './idle-watch.ts'

const IDLE_MS = 120
const open: (() => void)[] = []

afterEach(() => {
  for (const close of open.splice(0).reverse()) close()
})

const pair = (): Promise<[Socket, Socket]> => socketPair(open)

/** A watch and when it told, in milliseconds from its start; -1 before that. */
function watched(socket: Socket, idleMs = IDLE_MS): { watch: IdleWatch; toldAfterMs: number } {
  const startedAt = performance.now()
  const seen = {
    watch: new IdleWatch(socket, idleMs, () => (seen.toldAfterMs = performance.now() - startedAt)),
    toldAfterMs: -1,
  }
  open.push(() => seen.watch.stop())
  return seen
}

test('a connection without a byte is told of after its time, and not before', async () => {
  const [ours] = await pair()
  const seen = watched(ours)
  await waitFor('the word', () => seen.toldAfterMs !== -1)
  expect(seen.toldAfterMs).toBeGreaterThanOrEqual(IDLE_MS)
})

test('every byte that moves puts it off', async () => {
  const [ours] = await pair()
  const seen = watched(ours)
  const startedAt = performance.now()
  let lastAt = startedAt
  while (lastAt - startedAt < 3 * IDLE_MS) {
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS / 8))
    expect(seen.toldAfterMs).toBe(-1)
    seen.watch.moved()
    lastAt = performance.now()
  }
  await waitFor('the word', () => seen.toldAfterMs !== -1)
  expect(seen.toldAfterMs - (lastAt - startedAt)).toBeGreaterThanOrEqual(IDLE_MS - 1)
})

test('bytes that wait and are taken, however slowly, put it off; a peer that stalls does not', async () => {
  const [ours, theirs] = await pair()
  // A step's worth is more than the peer's kernel waits for before it tells of room.
  const step = 1_000_000
  let left = 0
  theirs.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left <= 0) theirs.pause()
  })
  theirs.pause()
  ours.write(Buffer.alloc(80 * step))
  await waitFor('bytes that wait', () => ours.writableLength > 0)
  const seen = watched(ours)
  const until = performance.now() + 5 * IDLE_MS
  while (performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS / 8))
    left = step
    theirs.resume()
    expect(seen.toldAfterMs).toBe(-1)
  }
  theirs.pause()
  await waitFor('the word', () => seen.toldAfterMs !== -1)
})

test('stopped, or without a time, it never tells', async () => {
  const [ours] = await pair()
  const stopped = watched(ours)
  stopped.watch.stop()
  const never = watched(ours, 0)
  const other = watched(ours, 2 * IDLE_MS)
  await waitFor('another one', () => other.toldAfterMs !== -1)
  expect([stopped.toldAfterMs, never.toldAfterMs]).toEqual([-1, -1])
})

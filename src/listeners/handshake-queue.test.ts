import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { HANDSHAKE_MS_PER_TURN, HANDSHAKES_PER_TURN, HandshakeQueue } from './handshake-queue.ts'

/** Enters `total` handshakes at once; how many had begun after each turn, and in which order. */
async function enterMany(
  total: number,
  costMs: number,
): Promise<{ counts: readonly number[]; begun: readonly number[] }> {
  let nowMs = 0
  const queue = new HandshakeQueue(() => nowMs)
  const begun: number[] = []
  for (let number = 0; number < total; number++) {
    queue.enter({
      begin: () => {
        nowMs += costMs
        begun.push(number)
      },
    })
  }
  const counts = [begun.length]
  while (begun.length < total) {
    await nextTurn()
    counts.push(begun.length)
  }
  return { counts, begun }
}

test('a burst begins in order, so many in a turn', async () => {
  const total = HANDSHAKES_PER_TURN * 2 + 3
  const { counts, begun } = await enterMany(total, 0)
  expect(counts).toEqual([HANDSHAKES_PER_TURN, HANDSHAKES_PER_TURN * 2, total])
  expect(begun).toEqual(Array.from({ length: total }, (_, number) => number))
})

test('handshakes that take long leave room sooner, one begins in any case', async () => {
  expect((await enterMany(6, HANDSHAKE_MS_PER_TURN / 2)).counts).toEqual([2, 4, 6])
  expect((await enterMany(3, HANDSHAKE_MS_PER_TURN * 10)).counts).toEqual([1, 2, 3])
})

test('a quiet time begins at once', async () => {
  const queue = new HandshakeQueue()
  let begun = 0
  for (let i = 0; i < HANDSHAKES_PER_TURN * 2; i++) queue.enter({ begin: () => begun++ })
  await nextTurn()
  await nextTurn()
  await nextTurn()
  expect(begun).toBe(HANDSHAKES_PER_TURN * 2)
  queue.enter({ begin: () => begun++ })
  expect(begun).toBe(HANDSHAKES_PER_TURN * 2 + 1)
})

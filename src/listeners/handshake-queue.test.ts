import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { HANDSHAKES_PER_TURN, HandshakeQueue } from './handshake-queue.ts'

test('a burst begins in order, so many in a turn; a quiet time begins at once', async () => {
  const queue = new HandshakeQueue()
  const begun: number[] = []
  const total = HANDSHAKES_PER_TURN * 2 + 3
  for (let number = 0; number < total; number++) queue.enter({ begin: () => begun.push(number) })
  const counts = [begun.length]
  while (begun.length < total) {
    await nextTurn()
    counts.push(begun.length)
  }
  expect(counts).toEqual([HANDSHAKES_PER_TURN, HANDSHAKES_PER_TURN * 2, total])
  expect(begun).toEqual(Array.from({ length: total }, (_, number) => number))

  await nextTurn()
  queue.enter({ begin: () => begun.push(total) })
  expect(begun).toHaveLength(total + 1)
})

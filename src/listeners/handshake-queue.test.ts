import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { HandshakeQueue } from './handshake-queue.ts'

test('a burst begins in order, one in a turn', async () => {
  const queue = new HandshakeQueue()
  const begun: number[] = []
  for (let number = 0; number < 5; number++) queue.enter({ begin: () => begun.push(number) })
  for (let turn = 0; turn < 5; turn++) {
    expect(begun).toEqual(Array.from({ length: turn + 1 }, (_, number) => number))
    await nextTurn()
  }
})

test('work that a handshake leaves for later is done before the next one begins', async () => {
  const queue = new HandshakeQueue()
  const log: string[] = []
  for (const name of ['a', 'b', 'c']) {
    queue.enter({
      begin() {
        log.push(`begin ${name}`)
        process.nextTick(() => log.push(`sign ${name}`))
      },
    })
  }
  for (let turn = 0; turn < 3; turn++) await nextTurn()
  expect(log).toEqual(['begin a', 'sign a', 'begin b', 'sign b', 'begin c', 'sign c'])
})

test('one that fails to begin holds up nobody', async () => {
  const queue = new HandshakeQueue()
  let begun = 0
  const broken = { begin: () => expect.fail('broken') }
  expect(() => queue.enter(broken)).toThrow('broken')
  queue.enter({ begin: () => begun++ })
  await nextTurn()
  expect(begun).toBe(1)
})

test('a quiet time begins at once', async () => {
  const queue = new HandshakeQueue()
  let begun = 0
  for (let count = 1; count <= 3; count++) {
    queue.enter({ begin: () => begun++ })
    expect(begun).toBe(count)
    await nextTurn()
  }
})

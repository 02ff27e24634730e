import { afterEach, expect, test } from 'vitest'
import { turnClock } from '../base/clock.ts'
import { TickQueue, type Ticked } from './tick-queue.ts'

const queue = new TickQueue()
const served: string[] = []

class Item implements Ticked {
  queued = false
  readonly #name: string
  readonly #act: () => void

  constructor(name: string, act: () => void = () => {}) {
    this.#name = name
    this.#act = act
  }

  onTick(): void {
    served.push(this.#name)
    this.#act()
  }
}

afterEach(() => {
  expect(served.splice(0)).toEqual([])
})

const nextTick = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve))

test('outside of a turn the queue is served behind the callback, each item once', async () => {
  const item = new Item('a')
  queue.schedule(item)
  queue.schedule(item)
  expect(served).toEqual([])
  await nextTick()
  expect(served.splice(0)).toEqual(['a'])
})

test('a turn serves it at its end, with what was scheduled meanwhile', async () => {
  queue.beginTurn()
  const again = new Item('again')
  queue.schedule(new Item('first', () => queue.schedule(again)))
  queue.schedule(new Item('second'))
  expect(served).toEqual([])
  queue.endTurn()
  expect(served.splice(0)).toEqual(['first', 'second', 'again'])
  await nextTick()
})

test('what was scheduled before a turn is served when it was promised', async () => {
  queue.schedule(new Item('before'))
  queue.beginTurn()
  queue.schedule(new Item('within'))
  queue.endTurn()
  expect(served).toEqual([])
  await nextTick()
  expect(served.splice(0)).toEqual(['before', 'within'])
})

test('an item that throws does not leave the queue without service', async () => {
  queue.beginTurn()
  const late = new Item('late')
  const fails = (): void => {
    queue.schedule(late)
    throw new Error('a bug')
  }
  queue.schedule(new Item('fails', fails))
  expect(() => queue.endTurn()).toThrow('a bug')
  queue.schedule(new Item('later'))
  await nextTick()
  expect(served.splice(0)).toEqual(['fails', 'late', 'later'])
})

test('time stands still within a turn', () => {
  queue.beginTurn()
  const began = turnClock.now()
  const until = performance.now() + 2
  while (performance.now() < until);
  expect(turnClock.now()).toBe(began)
  queue.endTurn()
  expect(turnClock.now()).toBeGreaterThan(began)
})

import { afterEach, describe, expect, test } from 'vitest'
import { TurnClock, turnClock } from '../base/clock.ts'
import { TickQueue, TURNS_PER_READING, type Ticked } from './tick-queue.ts'

const queue = new TickQueue()
const served: string[] = []

/** What an item does in the stages before its tick. */
interface Early {
  begin?: () => void
  flush?: () => void
}

class Item implements Ticked {
  queued = false
  readonly #name: string
  readonly #act: () => void
  readonly #early: Early

  constructor(name: string, act: () => void = () => {}, early: Early = {}) {
    this.#name = name
    this.#act = act
    this.#early = early
  }

  begin(): void {
    this.#early.begin?.()
  }

  flush(): void {
    this.#early.flush?.()
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
const endOfIteration = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A turn that schedules one item. */
function turn(own: TickQueue, name: string): void {
  own.beginTurn()
  own.schedule(new Item(name))
  own.endTurn()
}

/** The time of busy queues: half a millisecond is soon over on a machine with other work. */
const time = { ms: 0 }
const clock = new TurnClock(() => time.ms)

/** A queue whose latest iteration had many turns. */
async function busyQueue(): Promise<TickQueue> {
  const busy = new TickQueue(clock)
  await makeBusy(busy)
  return busy
}

async function makeBusy(busy: TickQueue): Promise<void> {
  for (let i = 0; i < 2 * 64; i++) {
    busy.beginTurn()
    busy.endTurn()
  }
  await endOfIteration()
}

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

describe('in a busy loop', () => {
  test('an iteration with few turns does not make it busy', async () => {
    const calm = new TickQueue()
    for (let i = 0; i < 3 * 64; i++) {
      turn(calm, `${i}`)
      expect(served.splice(0)).toEqual([`${i}`])
      await endOfIteration()
    }
  })

  test('what is scheduled waits for the end of the iteration', async () => {
    const busy = await busyQueue()
    turn(busy, 'a')
    turn(busy, 'b')
    busy.schedule(new Item('outside'))
    await nextTick()
    expect(served).toEqual([])
    await endOfIteration()
    expect(served.splice(0)).toEqual(['a', 'b', 'outside'])
  })

  test('it is calm again after an iteration with few turns', async () => {
    const busy = await busyQueue()
    turn(busy, 'a')
    await endOfIteration()
    turn(busy, 'b')
    expect(served.splice(0)).toEqual(['a', 'b'])
  })

  test('it stays busy with many turns in each', async () => {
    const busy = await busyQueue()
    for (let i = 0; i < 5; i++) {
      for (const name of ['a', 'b', 'c', 'd']) turn(busy, name)
      expect(served).toEqual([])
      await endOfIteration()
      expect(served.splice(0)).toEqual(['a', 'b', 'c', 'd'])
    }
  })

  test('nothing waits long for other turns', async () => {
    const busy = await busyQueue()
    turn(busy, '0')
    time.ms++
    const names = Array.from({ length: TURNS_PER_READING + 1 }, (_, i) => `${i}`)
    for (const name of names.slice(1)) {
      expect(served).toEqual([])
      turn(busy, name)
    }
    expect(served.splice(0)).toEqual(names)
    turn(busy, 'c')
    expect(served).toEqual([])
    await endOfIteration()
    expect(served.splice(0)).toEqual(['c'])
  })

  test('all begin, then all are flushed, then each has its tick, also those that join', async () => {
    const busy = await busyQueue()
    const staged = (name: string, act?: () => void): Item =>
      new Item(name, act, {
        begin: () => served.push(`begin ${name}`),
        flush: () => served.push(`flush ${name}`),
      })
    for (let again = 0; again < 2; again++) {
      const late = staged('late')
      busy.beginTurn()
      busy.schedule(staged('a', () => busy.schedule(late)))
      busy.schedule(staged('b'))
      busy.endTurn()
      busy.schedule(staged('c'))
      await endOfIteration()
      const stages =
        'begin a, begin b, begin c, flush a, flush b, flush c, a, begin late, flush late'
      expect(served.splice(0)).toEqual([...stages.split(', '), 'b', 'c', 'late'])
      await makeBusy(busy)
    }
  })

  test('what begins does so at the time of the turns', async () => {
    const busy = await busyQueue()
    const began = time.ms
    let begunAt = 0
    busy.beginTurn()
    busy.schedule(new Item('a', undefined, { begin: () => (begunAt = clock.now()) }))
    busy.endTurn()
    time.ms++
    await endOfIteration()
    expect(served.splice(0)).toEqual(['a'])
    expect(begunAt).toBe(began)
  })

  test('all are served at one time, which is that moment', async () => {
    const busy = await busyQueue()
    const times: number[] = []
    const began = time.ms
    busy.beginTurn()
    for (let i = 0; i < 2; i++)
      busy.schedule(
        new Item('a', () => {
          times.push(clock.now())
          time.ms++
        }),
      )
    busy.endTurn()
    time.ms++
    await endOfIteration()
    expect(served.splice(0)).toEqual(['a', 'a'])
    expect(times).toEqual([began + 1, began + 1])
    expect(clock.now()).toBe(began + 3)
  })

  test.each(['begin', 'flush', 'tick'])(
    'one whose %s throws leaves no other without service',
    async (stage) => {
      const busy = await busyQueue()
      const fails = (): never => {
        throw new Error('a bug')
      }
      const tick = stage === 'tick' ? fails : undefined
      const early = stage === 'tick' ? {} : { [stage]: fails }
      // As a process would see it that goes on.
      const errors: unknown[] = []
      const late = (): void => {
        time.ms++
        for (let i = 0; i < TURNS_PER_READING; i++) busy.beginTurn()
        try {
          busy.endTurn()
        } catch (error) {
          errors.push(error)
        }
      }
      busy.beginTurn()
      busy.schedule(new Item('other'))
      busy.schedule(new Item('fails', tick, early))
      busy.schedule(new Item('another'))
      late()
      await nextTick()
      expect(errors).toEqual([new Error('a bug')])
      const all = served.splice(0)
      expect(all.filter((name) => name !== 'fails')).toEqual(['other', 'another'])
    },
  )
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

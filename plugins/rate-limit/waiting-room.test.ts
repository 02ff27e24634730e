import { afterEach, expect, test, vi } from 'vitest'
import { RuleStats } from './stats.ts'
import { type Pace, QueuedRequest, WaitingRooms } from './waiting-room.ts'

/** Admitted or refused by hand; says what became of it. */
class Guest extends QueuedRequest {
  readonly name: string
  readonly log: string[]

  constructor(name: string, log: string[]) {
    super()
    this.name = name
    this.log = log
  }

  override retry(): void {
    this.log.push(`${this.name} tries`)
  }

  override giveUp(key: string, waitMs: number): void {
    this.log.push(`${this.name} gives up ${key} ${Math.round(waitMs)}`)
  }
}

const SETTINGS = { maxWaitMs: 1000, maxRequests: 5 }
const evenly = (firstMs: number, turnMs: number): Pace => ({ firstMs, perTurn: 1, turnMs })

function setUp(): {
  rooms: WaitingRooms
  stats: RuleStats
  log: string[]
  guest(name: string): Guest
} {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const log: string[] = []
  const guest = (name: string): Guest => new Guest(name, log)
  return { rooms: new WaitingRooms(), stats: new RuleStats('p', 'r'), log, guest }
}

afterEach(() => {
  vi.useRealTimers()
})

test('the first to come tries first, each when its turn is', () => {
  const { rooms, stats, log, guest } = setUp()
  const room = rooms.open('r', stats)
  const [a, b] = [guest('a'), guest('b')]
  expect(room.join(a, 'k', evenly(100, 50), SETTINGS)).toBe(true)
  expect(room.join(b, 'k', null, SETTINGS)).toBe(true)
  expect(stats).toMatchObject({ queued: 2, waits: 2 })
  vi.advanceTimersByTime(99)
  expect(log).toEqual([])
  vi.advanceTimersByTime(1)
  expect(log).toEqual(['a tries'])
  // Nobody passes while it is not known what becomes of the first.
  vi.advanceTimersByTime(200)
  expect(log).toEqual(['a tries'])
  room.served(a, 0, evenly(50, 50))
  vi.advanceTimersByTime(50)
  expect(log).toEqual(['a tries', 'b tries'])
  room.served(b, 0, evenly(50, 50))
  expect(stats).toMatchObject({ queued: 0, waits: 2 })
  expect(stats.waitedMs).toBeCloseTo(300 + 350)
  expect(rooms.occupied('r')).toBeNull()
  expect(vi.getTimerCount()).toBe(0)
})

test('who tried in vain keeps its place', () => {
  const { rooms, stats, log, guest } = setUp()
  const room = rooms.open('r', stats)
  const [a, b] = [guest('a'), guest('b')]
  room.join(a, 'k', evenly(10, 10), SETTINGS)
  room.join(b, 'k', null, SETTINGS)
  vi.advanceTimersByTime(10)
  expect(room.join(a, 'k', evenly(30, 10), SETTINGS)).toBe(true)
  vi.advanceTimersByTime(30)
  room.served(a, 0, evenly(10, 10))
  vi.advanceTimersByTime(10)
  expect(log).toEqual(['a tries', 'a tries', 'b tries'])
  expect(stats.waits).toBe(2)
})

test('as many follow at once as fit', () => {
  const { rooms, stats, log, guest } = setUp()
  const room = rooms.open('r', stats)
  const pace = { firstMs: 10, perTurn: 3, turnMs: 100 }
  const guests = ['a', 'b', 'c', 'd'].map(guest)
  for (const one of guests) room.join(one, 'k', pace, SETTINGS)
  vi.advanceTimersByTime(10)
  room.served(guests[0]!, 2, pace)
  expect(log).toEqual(['a tries', 'b tries', 'c tries'])
})

test('all may go when a gate opens', () => {
  const { rooms, stats, log, guest } = setUp()
  const room = rooms.open('r', stats)
  const pace = { firstMs: 10, perTurn: Number.POSITIVE_INFINITY, turnMs: 0 }
  for (const name of ['a', 'b', 'c']) room.join(guest(name), 'gate', pace, SETTINGS)
  vi.advanceTimersByTime(10)
  expect(log).toEqual(['a tries', 'b tries', 'c tries'])
})

test('counters do not wait for each other', () => {
  const { rooms, stats, log, guest } = setUp()
  const room = rooms.open('r', stats)
  room.join(guest('slow'), 'k1', evenly(500, 500), SETTINGS)
  room.join(guest('fast'), 'k2', evenly(10, 10), SETTINGS)
  expect(vi.getTimerCount()).toBe(1)
  vi.advanceTimersByTime(10)
  expect(log).toEqual(['fast tries'])
  expect(vi.getTimerCount()).toBe(1)
})

test('no place for more than the maximum, over all counters', () => {
  const { rooms, stats, guest } = setUp()
  const room = rooms.open('r', stats)
  const joined = [...'abcdef'].map((name) => room.join(guest(name), name, evenly(10, 10), SETTINGS))
  expect(joined).toEqual([true, true, true, true, true, false])
})

test('nobody joins whose turn would come too late', () => {
  const { rooms, stats, guest } = setUp()
  const room = rooms.open('r', stats)
  expect(room.join(guest('a'), 'k', evenly(1001, 1), SETTINGS)).toBe(false)
  expect(rooms.occupied('r')).toBeNull()
  expect(vi.getTimerCount()).toBe(0)
  const again = rooms.open('r', stats)
  expect(again.join(guest('b'), 'k', evenly(400, 400), SETTINGS)).toBe(true)
  expect(again.join(guest('c'), 'k', null, SETTINGS)).toBe(true)
  expect(again.join(guest('d'), 'k', null, SETTINGS)).toBe(false)
})

test('who will come too late is told as soon as that is known', () => {
  const { rooms, stats, log, guest } = setUp()
  const room = rooms.open('r', stats)
  const [a, b] = [guest('a'), guest('b')]
  room.join(a, 'k', evenly(100, 100), SETTINGS)
  room.join(b, 'k', null, SETTINGS)
  vi.advanceTimersByTime(100)
  // Others were faster: the counter is free much later.
  expect(room.join(a, 'k', evenly(850, 100), SETTINGS)).toBe(true)
  expect(log).toEqual(['a tries', 'b gives up k 950'])
  expect(stats.queued).toBe(1)
})

test('nobody waits beyond the deadline for one whose turn does not end', () => {
  const { rooms, stats, log, guest } = setUp()
  const room = rooms.open('r', stats)
  room.join(guest('a'), 'k', evenly(100, 0), SETTINGS)
  room.join(guest('b'), 'k', null, SETTINGS)
  vi.advanceTimersByTime(100)
  room.join(guest('c'), 'k', { firstMs: 0, perTurn: 1, turnMs: 1 }, SETTINGS)
  vi.advanceTimersByTime(2000)
  expect(log.filter((line) => line.startsWith('c gives up'))).toHaveLength(1)
})

test('a client that leaves makes room, whether its turn has come or not', () => {
  const { rooms, stats, log, guest } = setUp()
  const room = rooms.open('r', stats)
  const [a, b, c] = [guest('a'), guest('b'), guest('c')]
  for (const one of [a, b, c]) room.join(one, 'k', evenly(10, 10), SETTINGS)
  room.leave(b)
  vi.advanceTimersByTime(10)
  room.leave(a)
  vi.advanceTimersByTime(10)
  expect(log).toEqual(['a tries', 'c tries'])
  room.leave(c)
  expect(stats.queued).toBe(0)
  expect(rooms.occupied('r')).toBeNull()
})

test('at the end all are sent away, and no timer is left', () => {
  const { rooms, stats, log, guest } = setUp()
  rooms.open('r', stats).join(guest('a'), 'k', evenly(10, 10), SETTINGS)
  rooms.open('s', stats).join(guest('b'), 'l', evenly(20, 10), SETTINGS)
  rooms.close()
  expect(log).toEqual(['a gives up k 10', 'b gives up l 20'])
  expect(vi.getTimerCount()).toBe(0)
})

import { expect, test } from 'vitest'
import { TurnClock } from './clock.ts'

/** A clock over two times that a test moves. */
function clockOver(times: { monotonic: number; wall: number; reads: number }): TurnClock {
  return new TurnClock(
    () => {
      times.reads++
      return times.monotonic
    },
    () => times.wall,
  )
}

test('within a turn time stands still and is read once; outside it runs', () => {
  const times = { monotonic: 100, wall: 5_000, reads: 0 }
  const clock = clockOver(times)
  clock.beginTurn()
  expect(times.reads).toBe(0)
  expect(clock.now()).toBe(100)
  times.monotonic = 107
  expect([clock.now(), clock.wallNow()]).toEqual([100, 5_000])
  expect(times.reads).toBe(1)
  clock.endTurn()
  expect(clock.now()).toBe(107)
  times.monotonic = 109
  expect(clock.now()).toBe(109)
  clock.beginTurn()
  expect(clock.now()).toBe(109)
})

test('a turn that continues the last one happens at its moment, or at one that was read later', () => {
  const times = { monotonic: 100, wall: 5_000, reads: 0 }
  const clock = clockOver(times)
  clock.beginTurn()
  expect(clock.now()).toBe(100)
  clock.endTurn()
  times.monotonic = 103
  clock.continueTurn()
  expect([clock.now(), clock.wallNow()]).toEqual([100, 5_000])
  clock.endTurn()
  expect(clock.now()).toBe(103)
  times.monotonic = 104
  clock.continueTurn()
  expect(clock.now()).toBe(103)
  clock.endTurn()
  clock.beginTurn()
  clock.endTurn()
  clock.continueTurn()
  expect(clock.now()).toBe(104)
})

test('the wall clock advances with the other, and a correction of it shows within 50 ms', () => {
  const times = { monotonic: 0, wall: 1_000_000, reads: 0 }
  const clock = clockOver(times)
  expect(clock.wallNow()).toBe(1_000_000)
  times.monotonic = 20
  times.wall = 1_000_020
  expect(clock.wallNow()).toBe(1_000_020)
  times.wall = 990_000
  times.monotonic = 49
  expect(clock.wallNow()).toBe(1_000_049)
  times.monotonic = 50
  expect(clock.wallNow()).toBe(990_000)
})

test('the clocks of this machine are what it reads by itself', () => {
  const clock = new TurnClock()
  expect(Math.abs(clock.now() - performance.now())).toBeLessThan(1_000)
  expect(Math.abs(clock.wallNow() - Date.now())).toBeLessThan(1_000)
})

import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { NEVER, TimerWheel, type Timed } from './timer-wheel.ts'

class Probe implements Timed {
  deadlineTick = NEVER
  wheelTick = -1
  wheelPlace = 0
  fired = 0
  onTimeout(): void {
    this.fired++
  }
}

const STEP_MS = 10
let wheel: TimerWheel

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  wheel = new TimerWheel(STEP_MS)
})

afterEach(() => {
  wheel.close()
  vi.useRealTimers()
})

test('fires once, not early and at most two steps late', () => {
  const probe = new Probe()
  wheel.arm(probe, 95)
  vi.advanceTimersByTime(94)
  expect(probe.fired).toBe(0)
  vi.advanceTimersByTime(1 + 2 * STEP_MS)
  expect(probe.fired).toBe(1)
  vi.advanceTimersByTime(10_000)
  expect(probe.fired).toBe(1)
})

test('a deadline moved later, earlier or away counts as it stands last', () => {
  const later = new Probe()
  const earlier = new Probe()
  const away = new Probe()
  wheel.arm(later, 50)
  wheel.arm(earlier, 5_000)
  wheel.arm(away, 50)
  vi.advanceTimersByTime(30)
  wheel.arm(later, 500)
  wheel.arm(earlier, 50)
  wheel.disarm(away)
  vi.advanceTimersByTime(100)
  expect([later.fired, earlier.fired, away.fired]).toEqual([0, 1, 0])
  vi.advanceTimersByTime(500)
  expect([later.fired, earlier.fired, away.fired]).toEqual([1, 1, 0])
})

test('what is disarmed is let go at once, by a callback of the same tick too', () => {
  const probes = Array.from({ length: 1000 }, () => new Probe())
  for (const probe of probes) wheel.arm(probe, 75_000)
  for (const probe of probes) wheel.arm(probe, 50)
  expect(wheel.size).toBe(1000)
  probes[0]!.onTimeout = () => {
    for (const probe of probes) wheel.disarm(probe)
  }
  vi.advanceTimersByTime(100)
  expect(wheel.size).toBe(0)
  expect(probes.filter(({ fired }) => fired > 0)).toEqual([])
})

test('delays longer than one turn of the wheel are kept', () => {
  const probe = new Probe()
  wheel.arm(probe, 100_000)
  vi.advanceTimersByTime(99_990)
  expect(probe.fired).toBe(0)
  vi.advanceTimersByTime(50)
  expect(probe.fired).toBe(1)
})

test('a callback may arm again', () => {
  const probe = new Probe()
  probe.onTimeout = () => {
    if (++probe.fired < 3) wheel.arm(probe, 20)
  }
  wheel.arm(probe, 20)
  vi.advanceTimersByTime(500)
  expect(probe.fired).toBe(3)
})

test('time lost while the process stood still does not time everybody out', () => {
  const probe = new Probe()
  wheel.arm(probe, 1_000)
  const before = performance.now()
  vi.spyOn(performance, 'now').mockImplementation(() => before + 60_000)
  vi.advanceTimersByTime(STEP_MS)
  expect(probe.fired).toBe(0)
  vi.restoreAllMocks()
})

test('what was armed when the wheel was closed may be disarmed, and never fires', () => {
  const [one, other] = [new Probe(), new Probe()]
  wheel.arm(one, 50)
  wheel.arm(other, 50)
  wheel.close()
  wheel.disarm(one)
  wheel.disarm(other)
  vi.advanceTimersByTime(500)
  expect([one.fired, other.fired, wheel.size]).toEqual([0, 0, 0])
})

test('whatever is armed and disarmed, each fires when it was armed for last, once', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('arm' as const), index: fc.nat(7), ms: fc.nat(6_000) }),
    fc.record({ kind: fc.constant('disarm' as const), index: fc.nat(7), ms: fc.constant(0) }),
    fc.record({ kind: fc.constant('wait' as const), index: fc.constant(0), ms: fc.nat(300) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const turned = new TimerWheel(STEP_MS)
      const probes = Array.from({ length: 8 }, () => new Probe())
      const dueAt = probes.map(() => Infinity)
      let nowMs = 0
      for (const [index, probe] of probes.entries()) {
        probe.onTimeout = () => {
          expect(nowMs).toBeGreaterThanOrEqual(dueAt[index]!)
          dueAt[index] = Infinity
        }
      }
      const wait = (ms: number): void => {
        for (let i = 0; i < ms; i++) {
          nowMs++
          vi.advanceTimersByTime(1)
        }
        for (const due of dueAt) expect(due).toBeGreaterThan(nowMs - 3 * STEP_MS)
      }
      for (const { kind, index, ms } of steps) {
        if (kind === 'wait') wait(ms)
        else if (kind === 'arm') {
          turned.arm(probes[index]!, ms)
          dueAt[index] = nowMs + ms
        } else {
          turned.disarm(probes[index]!)
          dueAt[index] = Infinity
        }
        expect(turned.size).toBeGreaterThanOrEqual(dueAt.filter((due) => due !== Infinity).length)
      }
      wait(6_100)
      expect(dueAt.every((due) => due === Infinity)).toBe(true)
      expect(turned.size).toBe(0)
      turned.close()
    }),
    { numRuns: 40 },
  )
})

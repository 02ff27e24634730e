import { expect, test, vi } from 'vitest'
import { waitFor } from '../../test/support/wait.ts'
import { Deadline, Deadlines } from './deadlines.ts'

class Noted extends Deadline {
  readonly startedAt = performance.now()
  readonly #onExpire: (deadline: Noted) => void

  constructor(onExpire: (deadline: Noted) => void) {
    super()
    this.#onExpire = onExpire
  }

  override expire(): void {
    this.#onExpire(this)
  }
}

test('deadlines end in the order they began, none before its time', async () => {
  const deadlines = new Deadlines()
  const expired: Noted[] = []
  const early: number[] = []
  const note = (deadline: Noted): void => {
    expired.push(deadline)
    if (performance.now() - deadline.startedAt < 30) early.push(expired.length)
  }
  const started: Noted[] = []
  const begin = (): void => {
    const deadline = new Noted(note)
    started.push(deadline)
    deadlines.start(deadline, 30)
  }
  begin()
  begin()
  await waitFor('some of its time', () => performance.now() - started[0]!.startedAt > 10)
  begin()
  await waitFor('all three', () => expired.length === 3)
  expect(expired).toEqual(started)
  expect(early).toEqual([])
})

test('a cancelled deadline does not end; its neighbours do', async () => {
  const deadlines = new Deadlines()
  const expired: string[] = []
  const all = ['first', 'middle', 'last', 'other'].map(
    (name) => new Noted(() => expired.push(name)),
  )
  for (const deadline of all) deadlines.start(deadline, 20)
  deadlines.cancel(all[0]!)
  deadlines.cancel(all[1]!)
  deadlines.cancel(all[1]!)
  await waitFor('the rest', () => expired.length === 2)
  expect(expired).toEqual(['last', 'other'])
})

test('lengths do not disturb each other, and one that ends may start another', async () => {
  const deadlines = new Deadlines()
  const expired: string[] = []
  deadlines.start(new Noted(() => expired.push('long')), 60)
  deadlines.start(
    new Noted(() => {
      expired.push('short')
      deadlines.start(new Noted(() => expired.push('again')), 5)
    }),
    5,
  )
  await waitFor('all', () => expired.length === 3)
  expect(expired[0]).toBe('short')
  expect(expired).toContain('again')
})

test('a deadline farther off than a timer reaches ends in its time, and nobody looks at it all the time', () => {
  const dayMs = 86_400_000
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] })
  try {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const expired: Noted[] = []
    new Deadlines().start(new Noted((deadline) => expired.push(deadline)), 60 * dayMs)
    vi.advanceTimersByTime(60 * dayMs - 1_000)
    expect(expired).toEqual([])
    expect(timers.mock.calls.length).toBeLessThan(5)
    vi.advanceTimersByTime(2_000)
    expect(expired).toHaveLength(1)
  } finally {
    vi.restoreAllMocks()
    vi.useRealTimers()
  }
})

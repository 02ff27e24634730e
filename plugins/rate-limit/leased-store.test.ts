import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  COUNTED,
  type Counting,
  type CountResult,
  type StoreStatus,
  TOGETHER,
  UNAVAILABLE,
} from './counter-store.ts'
import { type LeaseSource, LeasedStore } from './leased-store.ts'
import { FIXED_WINDOW, LimitCheck, type Quota } from './limit-check.ts'

const PERIOD_MS = 1000

/** Windows as Redis keeps them: what was charged when, all or nothing, exactly. */
class Windows implements LeaseSource {
  readonly envoyKeys = false
  readonly share: { replicas: number; rank: number }
  readonly #charged = new Map<string, number>()
  questions = 0
  away = false

  constructor(replicas: number) {
    this.share = { replicas, rank: 0 }
  }

  count({ checks }: Counting): CountResult {
    if (this.away) return UNAVAILABLE
    this.questions++
    const now = Date.now()
    const fits = checks.map(({ key, quota, cost }) => this.charged(key, now) + cost <= quota.limit)
    const all = fits.every(Boolean)
    checks.forEach((check, i) => {
      const { key, quota, cost } = check
      const before = this.charged(key, now)
      if (all) this.#charge(key, now, cost)
      const left = PERIOD_MS - (now % PERIOD_MS)
      check.answer(!fits[i]!, quota.limit - before - (all ? cost : 0), left, left)
      check.countedAtUs = now * 1000
    })
    return COUNTED
  }

  giveBack({ key, cost }: LimitCheck, chargedAtUs: number): void {
    const now = Date.now()
    if (Math.floor(chargedAtUs / 1000 / PERIOD_MS) !== Math.floor(now / PERIOD_MS)) return
    this.#charge(key, now, -cost)
  }

  charged(key: string, now = Date.now()): number {
    return this.#charged.get(`${key} ${Math.floor(now / PERIOD_MS)}`) ?? 0
  }

  status(): StoreStatus {
    return { kind: 'memory', server: null, available: true, size: 0, evicted: 0, redis: null }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #charge(key: string, now: number, units: number): void {
    const id = `${key} ${Math.floor(now / PERIOD_MS)}`
    this.#charged.set(id, (this.#charged.get(id) ?? 0) + units)
  }
}

const quotaOf = (limit: number, lease: number): Quota => {
  return { algorithm: FIXED_WINDOW, limit, periodMs: PERIOD_MS, burst: limit, lease }
}

interface Asked {
  readonly key: string
  readonly quota: Quota
  readonly cost?: number
}

/** True: admitted. */
function ask(store: LeasedStore, ...limits: readonly Asked[]): boolean {
  const checks = limits.map(({ key, quota, cost = 1 }) => new LimitCheck(key, quota, cost, true))
  const unexpected = (): void => expect.unreachable('nobody waits here')
  const result = store.count({
    checks,
    charge: TOGETHER,
    timeoutMs: 20,
    counted: unexpected,
    failed: unexpected,
  })
  expect(result).toBe(COUNTED)
  return checks.every(({ over }) => !over)
}

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'],
    now: 1_700_000_000_000,
  })
})

afterEach(() => {
  vi.useRealTimers()
})

const BUSY = { key: 'busy', quota: quotaOf(1000, 100) }

test('a busy limit is asked about now and then, and never exceeded', () => {
  const windows = new Windows(1)
  const store = new LeasedStore(windows)
  let admitted = 0
  for (let i = 0; i < 1500; i++) if (ask(store, BUSY)) admitted++
  expect(admitted).toBe(1000)
  // Leases of up to 100, ever smaller; behind the last unit each request asks.
  expect(windows.questions).toBeLessThan(500 + 100)
})

test('an idle limit is asked about each time', () => {
  const windows = new Windows(1)
  const store = new LeasedStore(windows)
  for (let i = 0; i < 5; i++) {
    ask(store, BUSY)
    vi.advanceTimersByTime(300)
  }
  expect(windows.questions).toBe(5)
  expect(store.held).toBe(0)
})

test('what nobody needs is given back, and no timer stays', () => {
  const windows = new Windows(1)
  const store = new LeasedStore(windows)
  for (let i = 0; i < 60; i++) ask(store, BUSY)
  expect(store.held).toBeGreaterThan(0)
  expect(windows.charged('busy')).toBe(60 + store.held)
  vi.advanceTimersByTime(900)
  expect(store.held).toBe(0)
  expect(windows.charged('busy')).toBe(60)
  expect(vi.getTimerCount()).toBe(0)
})

test('close gives all back', async () => {
  const windows = new Windows(1)
  const store = new LeasedStore(windows)
  for (let i = 0; i < 60; i++) ask(store, BUSY)
  await store.close()
  expect(windows.charged('busy')).toBe(60)
  expect(vi.getTimerCount()).toBe(0)
})

test('a lease ends with its window', () => {
  const windows = new Windows(1)
  const store = new LeasedStore(windows)
  vi.advanceTimersByTime(950)
  for (let i = 0; i < 60; i++) ask(store, BUSY)
  const { questions } = windows
  expect(store.held).toBeGreaterThan(0)
  vi.advanceTimersByTime(50)
  ask(store, BUSY)
  expect(windows.questions).toBeGreaterThan(questions)
  expect(windows.charged('busy')).toBe(1 + store.held)
})

test('a lease is spent while the store is away, then nothing is', () => {
  const windows = new Windows(1)
  const store = new LeasedStore(windows)
  for (let i = 0; i < 60; i++) ask(store, BUSY)
  const { held } = store
  windows.away = true
  for (let i = 0; i < held; i++) expect(ask(store, BUSY)).toBe(true)
  const checks = [new LimitCheck(BUSY.key, BUSY.quota, 1, true)]
  const none = (): void => undefined
  const counting = { checks, charge: TOGETHER, timeoutMs: 20, counted: none, failed: none } as const
  expect(store.count(counting)).toBe(UNAVAILABLE)
})

test('what another limit refuses goes back to the lease', () => {
  const windows = new Windows(1)
  const store = new LeasedStore(windows)
  const full = { key: 'full', quota: quotaOf(2, 0) }
  for (let i = 0; i < 60; i++) ask(store, BUSY)
  expect(ask(store, BUSY, full)).toBe(true)
  expect(ask(store, BUSY, full)).toBe(true)
  const before = windows.charged('busy') - store.held
  for (let i = 0; i < 20; i++) expect(ask(store, BUSY, full)).toBe(false)
  expect(windows.charged('busy') - store.held).toBe(before)
  expect(before).toBe(62)
})

test('a counter that is deleted takes its lease with it', async () => {
  const windows = new Windows(1)
  const store = new LeasedStore(windows)
  for (let i = 0; i < 60; i++) ask(store, BUSY)
  await store.forget([new LimitCheck(BUSY.key, BUSY.quota, 1, true)])
  expect(store.held).toBe(0)
})

describe('against an exact count', () => {
  const step = fc.record({
    replica: fc.nat(7),
    key: fc.constantFrom('a', 'b'),
    times: fc.integer({ min: 1, max: 40 }),
    cost: fc.constantFrom(1, 1, 1, 2),
    thenMs: fc.constantFrom(0, 0, 1, 7, 60, 130, 250, 999, 1000),
  })

  test('never more than the limit in a window, and less by no more than what is held', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 100 }),
        fc.array(step, { maxLength: 60 }),
        (replicas, limit, lease, steps) => {
          const windows = new Windows(replicas)
          const stores = Array.from({ length: replicas }, () => new LeasedStore(windows))
          const quota = quotaOf(limit, lease)
          const admitted = new Map<string, number>()
          for (const { replica, key, times, cost, thenMs } of steps) {
            const store = stores[replica % replicas]!
            for (let i = 0; i < times; i++) {
              const id = `${key} ${Math.floor(Date.now() / PERIOD_MS)}`
              const before = admitted.get(id) ?? 0
              const held = stores.reduce((sum, one) => sum + one.held, 0)
              if (ask(store, { key, quota, cost })) admitted.set(id, before + cost)
              else expect(before + cost + held).toBeGreaterThan(limit)
              expect(admitted.get(id) ?? 0).toBeLessThanOrEqual(limit)
              // Of either key.
              for (const one of stores) expect(one.held).toBeLessThanOrEqual(2 * lease)
            }
            vi.advanceTimersByTime(thenMs)
          }
        },
      ),
      { numRuns: 100 },
    )
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Charge, EACH, TOGETHER } from './counter-store.ts'
import { FIXED_WINDOW, GCRA, LimitCheck, type Quota, SLIDING_WINDOW } from './limit-check.ts'
import { MemoryStore } from './memory-store.ts'

const ALGORITHMS = [
  ['fixed window', FIXED_WINDOW],
  ['sliding window', SLIDING_WINDOW],
  ['GCRA', GCRA],
] as const
const START_MS = 1_700_000_000_000

function ask(store: MemoryStore, checks: readonly LimitCheck[], charge: Charge = TOGETHER): void {
  const never = (): void => expect.unreachable()
  store.count({ checks, charge, timeoutMs: 20, counted: never, failed: never })
}

function askOne(store: MemoryStore, quota: Quota, cost = 1, key = 'k'): LimitCheck {
  const check = new LimitCheck(key, quota, cost, true)
  ask(store, [check])
  return check
}

interface Admitted {
  readonly at: number
  readonly units: number
}

/** The most units in any half-open span `(t - spanMs, t]`. */
function mostWithin(admitted: readonly Admitted[], spanMs: number): number {
  let most = 0
  for (const end of admitted) {
    let total = 0
    for (const { at, units } of admitted) if (at > end.at - spanMs && at <= end.at) total += units
    most = Math.max(most, total)
  }
  return most
}

const steps = fc.array(
  fc.record({ advanceMs: fc.nat(400), cost: fc.integer({ min: 1, max: 3 }) }),
  { maxLength: 150 },
)
const quotaOf = (algorithm: Quota['algorithm']): fc.Arbitrary<Quota> =>
  fc
    .record({
      limit: fc.integer({ min: 1, max: 12 }),
      periodMs: fc.integer({ min: 7, max: 3000 }),
      burst: fc.integer({ min: 1, max: 15 }),
    })
    .map((fields) => ({ algorithm, ...fields }))

type Step = { readonly advanceMs: number; readonly cost: number }

function play(quota: Quota, script: readonly Step[]): readonly Admitted[] {
  let now = START_MS
  const store = new MemoryStore(() => now)
  const admitted: Admitted[] = []
  for (const { advanceMs, cost } of script) {
    now += advanceMs
    if (!askOne(store, quota, cost).over) admitted.push({ at: now, units: cost })
  }
  return admitted
}

describe('against a log of everything admitted', () => {
  test('no window of a sliding window admits more than its limit, wherever it begins', () => {
    fc.assert(
      fc.property(quotaOf(SLIDING_WINDOW), steps, (quota, script) => {
        expect(mostWithin(play(quota, script), quota.periodMs)).toBeLessThanOrEqual(quota.limit)
      }),
      { numRuns: 150 },
    )
  })

  test('no span of GCRA admits more than the burst and what the span refills', () => {
    fc.assert(
      fc.property(
        quotaOf(GCRA),
        steps,
        fc.integer({ min: 1, max: 6000 }),
        (quota, script, span) => {
          const bound = quota.burst + (span * quota.limit) / quota.periodMs
          expect(mostWithin(play(quota, script), span)).toBeLessThanOrEqual(bound)
        },
      ),
      { numRuns: 150 },
    )
  })

  test('GCRA admits exactly what a bucket of exact fractions admits', () => {
    fc.assert(
      fc.property(quotaOf(GCRA), steps, (quota, script) => {
        let now = START_MS
        const store = new MemoryStore(() => now)
        // Tokens times the period, so that the refill of a millisecond is the limit: whole numbers.
        const period = BigInt(quota.periodMs)
        const full = BigInt(quota.burst) * period
        let tokens = full
        for (const { advanceMs, cost } of script) {
          now += advanceMs
          const refilled = tokens + BigInt(advanceMs) * BigInt(quota.limit)
          tokens = refilled > full ? full : refilled
          const fits = tokens >= BigInt(cost) * period
          const check = askOne(store, quota, cost)
          expect(check.over).toBe(!fits)
          if (fits) tokens -= BigInt(cost) * period
          expect(check.remaining).toBe(Number(tokens / period))
        }
      }),
      { numRuns: 150 },
    )
  })
})

describe.each(ALGORITHMS)('%s', (_name, algorithm) => {
  test('waiting as long as the answer says is enough, and what fits leaves less', () => {
    fc.assert(
      fc.property(quotaOf(algorithm), steps, (quota, script) => {
        let now = START_MS
        const store = new MemoryStore(() => now)
        const most = algorithm === GCRA ? quota.burst : quota.limit
        for (const { advanceMs, cost } of script) {
          now += advanceMs
          const before = askOne(store, quota, 0).remaining
          const check = askOne(store, quota, cost)
          expect(check.remaining).toBe(check.over ? before : before - cost)
          if (!check.over || cost > most) continue
          expect(check.retryMs).toBeGreaterThan(0)
          now += check.retryMs
          expect(askOne(store, quota, cost).over).toBe(false)
        }
      }),
      { numRuns: 100 },
    )
  })

  test('an idle key has its whole quota again after the time the answer says', () => {
    let now = START_MS
    const store = new MemoryStore(() => now)
    const quota: Quota = { algorithm, limit: 5, periodMs: 1000, burst: 5 }
    const { resetMs } = askOne(store, quota, 5)
    now += resetMs
    expect(askOne(store, quota, 5).over).toBe(false)
  })

  test('when one key refuses, no key is charged', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { maxLength: 60 }), (turns) => {
        const store = new MemoryStore(() => START_MS)
        const wide: Quota = { algorithm, limit: 40, periodMs: 60_000, burst: 40 }
        const narrow: Quota = { algorithm, limit: 3, periodMs: 60_000, burst: 3 }
        let total = 0
        for (const turn of turns) {
          const checks = [
            new LimitCheck('all', wide, 1, true),
            new LimitCheck(`client ${turn}`, narrow, 1, true),
          ]
          ask(store, checks)
          if (checks.every(({ over }) => !over)) total++
          expect(checks[0]!.remaining).toBe(40 - total)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('a shadow limit refuses nobody and is not charged beyond its limit', () => {
    const store = new MemoryStore(() => START_MS)
    const quota: Quota = { algorithm, limit: 1, periodMs: 60_000, burst: 1 }
    const wide: Quota = { algorithm, limit: 9, periodMs: 60_000, burst: 9 }
    const seen = [1, 2, 3].map(() => {
      const checks = [
        new LimitCheck('shadow', quota, 1, false),
        new LimitCheck('real', wide, 1, true),
      ]
      ask(store, checks)
      return checks.map(({ over, remaining }) => [over, remaining])
    })
    expect(seen).toEqual([
      [
        [false, 0],
        [false, 8],
      ],
      [
        [true, 0],
        [false, 7],
      ],
      [
        [true, 0],
        [false, 6],
      ],
    ])
  })
})

test('a burst of GCRA is exact, however large and however odd the rate', () => {
  for (const [limit, periodMs, burst] of [
    [3, 1000, 1000],
    [7, 86_400_000, 5000],
    [1_000_000, 1000, 20_000],
  ] as const) {
    const store = new MemoryStore(() => START_MS)
    const quota: Quota = { algorithm: GCRA, limit, periodMs, burst }
    let admitted = 0
    for (let i = 0; i < burst + 10; i++) if (!askOne(store, quota).over) admitted++
    expect(admitted).toBe(burst)
  }
})

test('a fixed window that counts each key for itself also counts what it refuses', () => {
  const store = new MemoryStore(() => START_MS)
  const quota: Quota = { algorithm: FIXED_WINDOW, limit: 2, periodMs: 60_000, burst: 2 }
  const alone = (): LimitCheck => {
    const check = new LimitCheck('k', quota, 2, true)
    ask(store, [check], EACH)
    return check
  }
  expect([alone().over, alone().over]).toEqual([false, true])
  // Under a larger limit the refused ones show.
  expect(askOne(store, { ...quota, limit: 10, burst: 10 }, 0).remaining).toBe(6)
})

test('a clock set back neither refills nor locks a key', () => {
  let now = START_MS
  const store = new MemoryStore(() => now)
  const quota: Quota = { algorithm: GCRA, limit: 10, periodMs: 1000, burst: 2 }
  askOne(store, quota, 2)
  now -= 3_600_000
  expect(askOne(store, quota).over).toBe(true)
  now += 99
  expect(askOne(store, quota).over).toBe(true)
  now += 1
  expect(askOne(store, quota).over).toBe(false)
})

test('spent keys make room before live ones', () => {
  let now = START_MS
  const store = new MemoryStore(() => now, 3)
  const quota: Quota = { algorithm: GCRA, limit: 1, periodMs: 1000, burst: 1 }
  askOne(store, quota, 1, 'a')
  askOne(store, quota, 1, 'b')
  now += 1000
  for (const key of ['c', 'd', 'e']) askOne(store, quota, 1, key)
  expect(store.status()).toMatchObject({ size: 3, evicted: 0 })
  askOne(store, quota, 1, 'f')
  expect(store.status()).toMatchObject({ size: 3, evicted: 1 })
})

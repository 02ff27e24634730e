import { describe, expect, it } from 'vitest'
import { H2InputBudget } from './h2-input-budget.ts'

const LIMITS = {
  otherBytesPerSecond: 1_000,
  maxHeadBytes: 300,
  streamWindowBytes: 700,
  connectionWindowBytes: 4_000,
}
const BURST = 20_000

describe('H2InputBudget', () => {
  it('allows 16 seconds of the rate and a window at once, then the rate', () => {
    const budget = new H2InputBudget(LIMITS, 0)
    expect(budget.spend(BURST, 0)).toBe(true)
    expect(budget.spend(500, 500)).toBe(true)
    expect(budget.spend(501, 1_000)).toBe(false)
  })

  it.each<[string, (budget: H2InputBudget) => void, number]>([
    ['a request', (budget) => budget.earnRequests(1), 1_000],
    ['some requests', (budget) => budget.earnRequests(7), 7_000],
    ['a body', (budget) => budget.earnBody(3_000), 30_000],
    ['a piece of an answer', (budget) => budget.earnPiece(), 256],
  ])('allows more for %s', (_name, earn, bytes) => {
    for (const [more, passes] of [
      [0, true],
      [1, false],
    ] as const) {
      const budget = new H2InputBudget(LIMITS, 0)
      earn(budget)
      expect(budget.spend(BURST + bytes + more, 0)).toBe(passes)
    }
  })

  it('counts what came with what was earned before it, and saves no more than the burst', () => {
    const budget = new H2InputBudget(LIMITS, 0)
    budget.earnRequests(1_000)
    expect(budget.spend(900_000, 0)).toBe(true)
    expect(budget.spend(BURST + 1, 0)).toBe(false)
  })

  it('forgives bytes whose body is taken late', () => {
    const budget = new H2InputBudget(LIMITS, 0)
    expect(budget.spend(BURST, 0)).toBe(true)
    budget.earnBody(BURST / 10)
    expect(budget.spend(0, 0)).toBe(true)
    expect(budget.spend(BURST, 0)).toBe(true)
  })
})

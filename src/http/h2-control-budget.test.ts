import { describe, expect, it } from 'vitest'
import { H2ControlBudget } from './h2-control-budget.ts'

const LIMITS = { controlFramesPerSecond: 200, controlFrameBurst: 1000 }

function spendAll(budget: H2ControlBudget, nowMs: number): number {
  let spent = 0
  while (budget.spend(nowMs)) spent++
  return spent
}

describe('H2ControlBudget', () => {
  it('allows the burst and then the rate', () => {
    const budget = new H2ControlBudget(LIMITS, 0)
    expect(spendAll(budget, 0)).toBe(1000)
    expect(budget.spend(10)).toBe(true)
    expect(budget.spend(10)).toBe(false)
  })

  it('allows one more for each piece of a body, never more than the burst', () => {
    const budget = new H2ControlBudget(LIMITS, 0)
    for (let i = 0; i < 5000; i++) {
      budget.earn()
      expect(budget.spend(0)).toBe(true)
    }
    for (let i = 0; i < 5000; i++) budget.earn()
    expect(spendAll(budget, 0)).toBe(1000)
  })

  it.each([
    [1 / 2, 500],
    [1 / 1000, 64],
  ])('gives a share of the burst, and never nothing: %s', (share, burst) => {
    expect(spendAll(new H2ControlBudget(LIMITS, 0, share), 0)).toBe(burst)
  })
})

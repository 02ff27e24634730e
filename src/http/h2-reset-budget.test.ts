import { describe, expect, it } from 'vitest'
import { H2ResetBudget } from './h2-reset-budget.ts'

const LIMITS = {
  clientResetsPerSecond: 200,
  clientResetBurst: 1000,
  serverResetLimit: 100,
  serverResetWindowMs: 10_000,
}

describe('H2ResetBudget', () => {
  it('allows the burst and then the rate', () => {
    const budget = new H2ResetBudget(LIMITS, 0)
    for (let i = 0; i < 1000; i++) expect(budget.spendClientReset(0)).toBe(true)
    expect(budget.spendClientReset(0)).toBe(false)
    expect(budget.spendClientReset(10)).toBe(true)
    expect(budget.spendClientReset(10)).toBe(false)
  })

  it('never holds more than the burst', () => {
    const budget = new H2ResetBudget(LIMITS, 0)
    let spent = 0
    while (budget.spendClientReset(3_600_000)) spent++
    expect(spent).toBe(1000)
  })

  it('counts provoked resets per window', () => {
    const budget = new H2ResetBudget(LIMITS, 0)
    for (let i = 0; i < 100; i++) expect(budget.spendProvokedReset(i)).toBe(true)
    expect(budget.spendProvokedReset(9_999)).toBe(false)
    expect(budget.spendProvokedReset(10_000)).toBe(true)
  })
})

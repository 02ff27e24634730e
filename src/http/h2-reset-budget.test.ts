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

  it('lets a quarter of the burst come and go within one turn', () => {
    const budget = new H2ResetBudget(LIMITS, 0)
    for (let i = 0; i < 250; i++) expect(budget.spendUnseenReset(1)).toBe(true)
    expect(budget.spendUnseenReset(1)).toBe(false)
    expect(budget.spendUnseenReset(2)).toBe(true)
  })

  it('gives a share of both bursts, and never nothing', () => {
    const half = new H2ResetBudget(LIMITS, 0, 1 / 2)
    for (let i = 0; i < 500; i++) expect(half.spendClientReset(0)).toBe(true)
    expect(half.spendClientReset(0)).toBe(false)
    for (let i = 0; i < 50; i++) expect(half.spendProvokedReset(0)).toBe(true)
    expect(half.spendProvokedReset(0)).toBe(false)
    const least = new H2ResetBudget(LIMITS, 0, 1 / 1000)
    for (let i = 0; i < 16; i++) expect(least.spendClientReset(0)).toBe(true)
    expect(least.spendClientReset(0)).toBe(false)
  })
})

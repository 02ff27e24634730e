import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Settle } from './settle.ts'

describe('Settle', () => {
  let calls: number[]
  let settle: Settle

  beforeEach(() => {
    vi.useFakeTimers()
    calls = []
    const start = performance.now()
    settle = new Settle(100, 500, () => calls.push(performance.now() - start))
  })

  afterEach(() => {
    settle.close()
    vi.useRealTimers()
  })

  it('waits for quiet, then calls once', () => {
    settle.touch()
    vi.advanceTimersByTime(60)
    settle.touch()
    vi.advanceTimersByTime(1000)
    expect(calls).toEqual([160])
  })

  it('does not wait for quiet longer than the limit', () => {
    for (let at = 0; at < 1200; at += 50) {
      settle.touch()
      vi.advanceTimersByTime(50)
    }
    expect(calls).toHaveLength(2)
    expect(calls[0]).toBe(500)
  })

  it('calls no more after close', () => {
    settle.touch()
    settle.close()
    vi.advanceTimersByTime(1000)
    expect(calls).toEqual([])
  })
})

import { expect, test } from 'vitest'
import { UpstreamCounters } from '../upstream/counters.ts'
import { RetryGate, type RetryLimits } from './retry-gate.ts'

test.each<[string, RetryLimits | null, active: number, admitted: number]>([
  ['no limit', null, 0, 100],
  ['maxRetries 1', { percent: 0, atLeast: 1 }, 1000, 1],
  ['a budget without traffic has its minimum', { percent: 20, atLeast: 3 }, 1, 3],
  ['a budget under traffic has its share', { percent: 20, atLeast: 3 }, 50, 10],
  ['a share is rounded down', { percent: 20, atLeast: 3 }, 24, 4],
  ['nothing at all', { percent: 0, atLeast: 0 }, 1000, 0],
])('%s', (_name, limits, active, admitted) => {
  const counters = new UpstreamCounters()
  counters.rqActive = active - 1
  counters.rqPendingActive = 1
  const gate = new RetryGate(limits, counters)
  let entered = 0
  for (let i = 0; i < 100; i++) if (gate.enter()) entered++
  expect(entered).toBe(admitted)
  expect(counters).toMatchObject({ rqRetry: admitted, rqRetryOverflow: 100 - admitted })
  if (admitted === 0) return
  gate.leave()
  expect(gate.enter()).toBe(true)
})

import { expect, test } from 'vitest'
import { endpointPlan, NO_LIMITS } from '../../test/support/cluster-plans.ts'
import { Endpoint } from '../clusters/endpoint.ts'
import { ConnectionBudget } from './connection-budget.ts'
import { UpstreamCounters } from './counters.ts'
import { DialTarget } from './dial.ts'
import { MultiplexedPool } from './multiplexed-pool.ts'

test('the buffer of upstream connections is that of streams, for new ones the latest', () => {
  const limits = { ...NO_LIMITS, bufferBytes: 4_096, wire: { h1: {}, h2: { maxHeadBytes: 8_192 } } }
  const counters = new UpstreamCounters()
  const budget = new ConnectionBudget(limits, counters, () => 0)
  const target = new DialTarget({
    address: '127.0.0.1',
    port: 1,
    tls: null,
    host: null,
    alpn: null,
  })
  const pool = new MultiplexedPool(
    target,
    new Endpoint(endpointPlan('127.0.0.1', 1), counters),
    budget,
  )
  const { settings } = pool
  expect(settings).toMatchObject({ highWaterBytes: 4_096, maxHeadBytes: 8_192 })
  expect(pool.settings).toBe(settings)
  budget.limits = { ...limits, bufferBytes: 9_000 }
  expect(pool.settings).toMatchObject({ highWaterBytes: 9_000, maxHeadBytes: 8_192 })
})

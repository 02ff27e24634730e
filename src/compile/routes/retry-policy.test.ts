import { describe, expect, test } from 'vitest'
import { retryPlan } from './retry-policy.ts'

const DEFAULTS = [
  'connect-failure',
  'refused-stream',
  'unavailable',
  'cancelled',
  'retriable-status-codes',
]

function on(retryOn: string): readonly string[] {
  return [...retryPlan({ attempts: 1, retryOn }, {}, 0)!.on]
}

describe('retries that nobody configured', () => {
  test('are two, for connect failures and the like, not for 503, waiting 25 ms', () => {
    const plan = retryPlan(undefined, {}, 0)!
    expect(plan).toMatchObject({
      attempts: 2,
      perTryTimeoutMs: 0,
      backoffMs: 25,
      anyMethod: false,
      avoidsTried: true,
      isDefault: true,
    })
    expect([...plan.on]).toEqual(DEFAULTS)
    expect(plan.statuses.size).toBe(0)
    expect([...plan.grpcStatuses].toSorted()).toEqual(['1', '14'])
  })

  test('follow the mesh, which says nothing of methods', () => {
    const defaultHttpRetryPolicy = {
      attempts: 5,
      retryOn: '503',
      backoff: '1s',
      perTryTimeout: '2s',
    }
    const plan = retryPlan(undefined, { defaultHttpRetryPolicy }, 0)!
    expect(plan.isDefault).toBe(false)
    expect(plan).toMatchObject({
      attempts: 5,
      backoffMs: 1000,
      perTryTimeoutMs: 2000,
      anyMethod: false,
    })
    expect([...plan.statuses]).toEqual([503])
  })

  test('are switched off by attempts 0 of the mesh', () => {
    expect(retryPlan(undefined, { defaultHttpRetryPolicy: { attempts: 0 } }, 0)).toBeNull()
  })
})

describe('retries of a VirtualService', () => {
  test.each([{ attempts: 0 }, {}])('%j: none', (retries) => {
    expect(retryPlan(retries, {}, 0)).toBeNull()
  })

  test('replace the policy of the mesh whole', () => {
    const defaultHttpRetryPolicy = { attempts: 5, retryOn: '5xx', backoff: '1s' }
    const plan = retryPlan({ attempts: 1 }, { defaultHttpRetryPolicy }, 0)!
    expect([...plan.on]).toEqual(DEFAULTS)
    expect(plan.backoffMs).toBe(25)
  })

  test.each([
    [
      'an explicit retryOn means every method',
      { attempts: 1, retryOn: '5xx' },
      { anyMethod: true },
    ],
    ['an empty one does not', { attempts: 1, retryOn: ' ' }, { anyMethod: false }],
    ['backoff', { attempts: 1, backoff: '100ms' }, { backoffMs: 100 }],
    [
      'retryIgnorePreviousHosts',
      { attempts: 1, retryIgnorePreviousHosts: false },
      { avoidsTried: false },
    ],
    ['perTryTimeout', { attempts: 1, perTryTimeout: '2s' }, { perTryTimeoutMs: 2000 }],
  ])('%s', (_name, retries, expected) => {
    expect(retryPlan(retries, {}, 5000)).toMatchObject(expected)
  })

  test.each(['5s', '6s'])('a perTryTimeout of %s never ends a try before timeout 5s', (text) => {
    expect(retryPlan({ attempts: 1, perTryTimeout: text }, {}, 5000)!.perTryTimeoutMs).toBe(0)
  })

  test('status codes among the conditions are retriable-status-codes', () => {
    const plan = retryPlan({ attempts: 1, retryOn: 'reset, 503,429' }, {}, 0)!
    expect([...plan.on]).toEqual(['reset', 'retriable-status-codes'])
    expect([...plan.statuses]).toEqual([503, 429])
  })

  test('conditions are read whatever their case', () => {
    expect(on('Gateway-Error , 5XX')).toEqual(['gateway-error', '5xx'])
  })

  test.each([
    ['cancelled', '1'],
    ['deadline-exceeded', '4'],
    ['resource-exhausted', '8'],
    ['internal', '13'],
    ['unavailable', '14'],
  ])('%s is grpc-status %s', (retryOn, status) => {
    expect([...retryPlan({ attempts: 1, retryOn }, {}, 0)!.grpcStatuses]).toEqual([status])
  })
})

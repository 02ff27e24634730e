import { expect, test } from 'vitest'
import { freePort } from '../../../test/support/free-port.ts'
import { startRateLimitService } from '../../../test/support/rate-limit-service.ts'
import { waitFor } from '../../../test/support/wait.ts'
import { messageOf } from '../wire/proto-bytes.ts'
import { encodeDescriptor, encodeDomain } from '../wire/request-message.ts'
import type { ServiceResponse } from '../wire/response-message.ts'
import { type Asking, RateLimitService } from './rate-limit-service.ts'

const MESSAGE = messageOf(encodeDomain('edge') + encodeDescriptor(['user', 'ada'], null))
const PATIENCE_MS = 8000

type Outcome = ServiceResponse | 'failed' | 'refused'

/** Asks, and hears one way or the other. */
function ask(service: RateLimitService, timeoutMs = PATIENCE_MS): Promise<Outcome> {
  return new Promise((resolve) => {
    const asking: Asking = { answered: resolve, failed: () => resolve('failed') }
    if (service.ask(MESSAGE, timeoutMs, asking) === null) resolve('refused')
  })
}

interface Logged extends Disposable {
  readonly service: RateLimitService
  readonly lines: string[]
}

function serviceAt(...ports: number[]): Logged {
  const lines: string[] = []
  const addresses = ports.map((port) => ({ host: '127.0.0.1', port }))
  const service = new RateLimitService(
    'limiter',
    { addresses, authority: 'limiter' },
    (level, message) => lines.push(`${level}: ${message}`),
  )
  return { service, lines, [Symbol.dispose]: () => service.close() }
}

test('five failures in a row open the breaker, and its return is noticed; each is logged once', async () => {
  const port = await freePort()
  using at = serviceAt(port)
  const { service, lines } = at
  const outcomes: Outcome[] = []
  while (!outcomes.includes('refused')) {
    outcomes.push(await ask(service))
    // Failures of one moment count once.
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  expect(outcomes.length).toBeGreaterThan(5)
  expect(service.available).toBe(false)
  await using _server = await startRateLimitService({ port, answer: () => ({ code: 1 }) })
  await waitFor('the return', () => service.available)
  expect(await ask(service)).toMatchObject({ code: 1 })
  expect(lines).toEqual([
    expect.stringMatching(/^error: rate limit service limiter does not answer \(.*ECONNREFUSED/),
    'info: rate limit service limiter answers again',
  ])
})

test('errors of a service that works leave the breaker closed', async () => {
  await using server = await startRateLimitService({ answer: () => ({ grpcCode: 2 }) })
  using at = serviceAt(server.port)
  for (let i = 0; i < 10; i++) expect(await ask(at.service)).toBe('failed')
  expect(at.service.available).toBe(true)
  expect(server.asked).toHaveLength(10)
})

test('requests that are late together are one failure', async () => {
  await using server = await startRateLimitService({ answer: () => 'silence' })
  using at = serviceAt(server.port)
  at.service.connect()
  const late = await Promise.all(Array.from({ length: 50 }, () => ask(at.service, 300)))
  expect(new Set(late)).toEqual(new Set(['failed']))
  expect(at.service.available).toBe(true)
})

test('a question that is given up is never answered, and the service hears of it', async () => {
  await using server = await startRateLimitService({ answer: () => 'silence' })
  using at = serviceAt(server.port)
  let heard = 0
  const asking: Asking = { answered: () => heard++, failed: () => heard++ }
  const question = at.service.ask(MESSAGE, PATIENCE_MS, asking)
  await waitFor('the question', () => server.asked.length === 1)
  question?.giveUp()
  question?.giveUp()
  await waitFor('the service to hear', () => server.cancelled === 1)
  expect(heard).toBe(0)
  expect(at.service.available).toBe(true)
})

test('a service that is retired answers what it was asked, and may still be asked', async () => {
  const { promise, resolve } = Promise.withResolvers<{ code: number }>()
  await using server = await startRateLimitService({ answer: () => promise })
  using at = serviceAt(server.port)
  const answer = ask(at.service)
  await waitFor('the question', () => server.asked.length === 1)
  at.service.retire()
  resolve({ code: 2 })
  expect(await answer).toMatchObject({ code: 2 })
  expect(await ask(at.service)).toMatchObject({ code: 2 })
})

test('closing decides all who wait', async () => {
  await using server = await startRateLimitService({ answer: () => 'silence' })
  using at = serviceAt(server.port)
  const answer = ask(at.service)
  await waitFor('the question', () => server.asked.length === 1)
  at.service.close()
  expect(await answer).toBe('failed')
})

test('an address that does not answer is left out while another does', async () => {
  await using server = await startRateLimitService({ answer: () => ({ code: 1 }) })
  using at = serviceAt(await freePort(), server.port)
  at.service.connect()
  for (let i = 0; i < 10; i++) expect(await ask(at.service)).toMatchObject({ code: 1 })
  expect(server.asked).toHaveLength(10)
})

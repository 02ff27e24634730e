import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { Attacker } from '../support/h2-attacker.ts'
import { FLOODS } from '../support/h2-floods.ts'
import { countLeftovers, isClean, type Leftovers } from '../support/leftovers.ts'
import { StallingBackend } from '../support/stalling-backend.ts'
import { waitFor } from '../support/wait.ts'
import { Sentinel, wireRoutes } from '../support/wire-gateway.ts'

let backend: StallingBackend
let gateway: TestGateway
let attacker: Attacker
let before: Leftovers

beforeAll(async () => {
  backend = await StallingBackend.start()
  gateway = await startGateway(wireRoutes(backend.port), { ports: [80] })
  attacker = new Attacker()
  before = countLeftovers(gateway, backend, 0)
})

afterAll(async () => {
  await attacker[Symbol.asyncDispose]()
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

/** Floods after which the gateway must have ended the connection by itself. */
const FATAL: ReadonlySet<string> = new Set([
  'rapid reset',
  'resets a turn later',
  'provoked resets',
  'CONTINUATION',
  'empty CONTINUATION',
  'empty DATA',
  'read SETTINGS',
  'SETTINGS acknowledgements',
  'read PING',
  'PRIORITY',
  'unknown frames',
])

const CONNECTIONS = 3
const MAX_STREAMS = 100
/** Generous: both cores may be busy with other things. */
const MAX_P99_MS = 1_000
const MAX_GROWTH_BYTES = 128 * 2 ** 20

test.each(Object.keys(FLOODS))('%s', { timeout: 30_000 }, async (flood) => {
  const sentinel = new Sentinel(gateway.port(80))
  await sentinel.check()
  const rssBefore = process.memoryUsage().rss
  const waits: number[] = []
  let mostUpstream = 0
  let mostBytes = 0
  let over = false
  const run = attacker.run(flood, gateway.port(80), CONNECTIONS).finally(() => (over = true))
  while (!over) {
    const began = performance.now()
    await sentinel.check()
    waits.push(performance.now() - began)
    mostUpstream = Math.max(mostUpstream, backend.sockets.size)
    mostBytes = Math.max(mostBytes, process.memoryUsage().rss - rssBefore)
  }
  const result = await run
  sentinel.close()
  waits.sort((a, b) => a - b)

  expect(waits[Math.floor(waits.length * 0.99)]).toBeLessThan(MAX_P99_MS)
  if (FATAL.has(flood)) expect(result.closed).toBe(CONNECTIONS)
  expect(mostUpstream, 'upstream connections').toBeLessThanOrEqual(CONNECTIONS * MAX_STREAMS + 2)
  expect(mostBytes, 'memory').toBeLessThan(MAX_GROWTH_BYTES)
  await waitFor('nothing to be left', () =>
    isClean(countLeftovers(gateway, backend, MAX_STREAMS * CONNECTIONS), before),
  )
})

import { afterAll, beforeAll, test } from 'vitest'
import { ABORTS, abortMany, abortOnce } from '../support/abort-storm.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { countLeftovers, isClean, type Leftovers } from '../support/leftovers.ts'
import { StallingBackend } from '../support/stalling-backend.ts'
import { waitFor } from '../support/wait.ts'
import { Sentinel, wireRoutes } from '../support/wire-gateway.ts'

let backend: StallingBackend
let gateway: TestGateway
let before: Leftovers

beforeAll(async () => {
  backend = await StallingBackend.start()
  gateway = await startGateway(wireRoutes(backend.port), { ports: [80] })
  before = countLeftovers(gateway, backend, 0)
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

/** One at a time: a kept connection to the backend is used again. */
const IDLE = 1

async function untilNothingIsLeft(): Promise<void> {
  let left = countLeftovers(gateway, backend, IDLE)
  try {
    await waitFor('everything to be freed', () => {
      left = countLeftovers(gateway, backend, IDLE)
      return isClean(left, before)
    })
  } catch (cause) {
    throw new Error(`left behind: ${JSON.stringify(left)}`, { cause })
  }
}

test.each(ABORTS)('a client that leaves $name frees everything at once', async (abort) => {
  await abortOnce(abort, gateway.port(80), backend)
  await untilNothingIsLeft()
})

const STORM = 5_000

test(
  `${STORM} clients that leave in every phase leave nothing behind`,
  { timeout: 60_000 },
  async () => {
    const sentinel = new Sentinel(gateway.port(80))
    await abortMany(STORM, gateway.port(80), backend)
    await sentinel.check()
    sentinel.close()
    await untilNothingIsLeft()
  },
)

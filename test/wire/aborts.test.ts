import { afterAll, beforeAll, test } from 'vitest'
import { AbortBench } from '../support/abort-bench.ts'
import { ABORTS, abortMany, abortOnce } from '../support/abort-storm.ts'
import { isClean, type Leftovers } from '../support/leftovers.ts'
import { waitFor } from '../support/wait.ts'
import { Sentinel } from '../support/wire-gateway.ts'

let bench: AbortBench
let before: Leftovers

beforeAll(async () => {
  bench = await AbortBench.start()
  before = bench.leftovers(0)
})

afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})

/** One at a time: a kept connection to the backend is used again. */
const IDLE = 1

async function untilNothingIsLeft(): Promise<void> {
  let left = bench.leftovers(IDLE)
  try {
    await waitFor('everything to be freed', () => {
      left = bench.leftovers(IDLE)
      return isClean(left, before)
    })
  } catch (cause) {
    throw new Error(`left behind: ${JSON.stringify(left)}`, { cause })
  }
}

test.each(ABORTS)('a client that leaves $name frees everything at once', async (abort) => {
  await abortOnce(abort, bench)
  await untilNothingIsLeft()
})

const STORM = 5_000

test(
  `${STORM} clients that leave in every phase leave nothing behind`,
  { timeout: 60_000 },
  async () => {
    const sentinel = new Sentinel(bench.port)
    await abortMany(STORM, bench)
    await sentinel.check()
    sentinel.close()
    await untilNothingIsLeft()
  },
)

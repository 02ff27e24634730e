import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RedisServer, startRedis } from '../../test/support/redis.ts'
import { ANSWER_HEAD, ANSWER_LENGTH, BATCH_SCRIPT, NO_COUNTER } from './batch-script.ts'
import { FIXED_WINDOW, GCRA, SLIDING_WINDOW } from './limit-check.ts'

let redis: RedisServer
let client: Redis
beforeAll(async () => {
  redis = await startRedis()
  client = new Redis(redis.url, { protocol: 2 })
})
afterAll(async () => {
  client.disconnect()
  await redis.stop()
})

interface Asked {
  readonly key: string
  readonly algorithm: number
  readonly limit: number
  readonly periodMs?: number
  readonly burst?: number
  readonly cost?: number
  readonly enforces?: boolean
}

const YEAR_MS = 31_536_000_000

/** [fit, left, retryMs, resetMs] of each, for so many equal requests. */
async function grant(
  mode: number,
  requests: number,
  ...asked: readonly Asked[]
): Promise<number[][]> {
  const settings = asked.flatMap((one) => [
    one.algorithm,
    one.limit,
    (one.periodMs ?? YEAR_MS) * 1000,
    one.burst ?? one.limit,
    one.cost ?? 1,
    one.enforces === false ? 0 : 1,
  ])
  const reply = await client.eval(
    BATCH_SCRIPT,
    asked.length,
    ...asked.map(({ key }) => key),
    mode,
    asked.length,
    requests,
    ...settings,
  )
  const numbers = reply as number[]
  return asked.map((_, index) => {
    const at = ANSWER_HEAD + index * ANSWER_LENGTH
    return numbers.slice(at, at + ANSWER_LENGTH)
  })
}

/** [over, remaining, retryMs, resetMs] of each, for one request. */
async function decide(together: boolean, ...asked: readonly Asked[]): Promise<number[][]> {
  const answers = await grant(together ? 1 : 0, 1, ...asked)
  return answers.map(([fit = 0, left = 0, retryMs = 0, resetMs = 0]) => [
    fit > 0 ? 0 : 1,
    Math.max(0, left),
    retryMs,
    resetMs,
  ])
}

const ALGORITHMS = [
  ['fixed window', FIXED_WINDOW],
  ['sliding window', SLIDING_WINDOW],
  ['GCRA', GCRA],
] as const

test.each(ALGORITHMS)(
  '%s admits the limit, then says how long to wait',
  async (name, algorithm) => {
    const asked = { key: `limit ${name}`, algorithm, limit: 3 }
    const seen: number[][] = []
    for (let i = 0; i < 5; i++) seen.push(...(await decide(true, asked)))
    expect(seen.map(([over, remaining]) => [over, remaining])).toEqual([
      [0, 2],
      [0, 1],
      [0, 0],
      [1, 0],
      [1, 0],
    ])
    // The last that fits says when the next will.
    expect(seen[1]![2]).toBe(0)
    expect(seen[2]![2]).toBeGreaterThan(0)
    expect(seen[4]![2]).toBeGreaterThan(0)
    expect(seen[4]![2]).toBeLessThanOrEqual(YEAR_MS * 1.05 + 1)
    expect(seen[4]![3]).toBeGreaterThanOrEqual(seen[4]![2]!)
    // Peeking takes nothing.
    expect((await decide(true, { ...asked, limit: 5, burst: 5, cost: 0 }))[0]!.slice(0, 2)).toEqual(
      [0, 2],
    )
  },
)

test.each(ALGORITHMS)('%s: when one key refuses, none is charged', async (name, algorithm) => {
  const wide = { key: `wide ${name}`, algorithm, limit: 10 }
  const narrow = { key: `narrow ${name}`, algorithm, limit: 1 }
  const seen: number[][][] = []
  for (let i = 0; i < 4; i++) seen.push(await decide(true, wide, narrow))
  expect(seen.map(([first]) => first![1])).toEqual([9, 9, 9, 9])
  expect(seen.map(([, second]) => second![0])).toEqual([0, 1, 1, 1])
})

test.each(ALGORITHMS)('%s: a shadow limit lets the others count', async (name, algorithm) => {
  const wide = { key: `seen ${name}`, algorithm, limit: 10 }
  const shadow = { key: `shadow ${name}`, algorithm, limit: 1, enforces: false }
  const seen: number[][][] = []
  for (let i = 0; i < 3; i++) seen.push(await decide(true, wide, shadow))
  expect(seen.map(([first, second]) => [first![1], second![0]])).toEqual([
    [9, 0],
    [8, 1],
    [7, 1],
  ])
})

test.each(ALGORITHMS)('%s: keys end by themselves', async (name, algorithm) => {
  const key = `end ${name}`
  await decide(true, { key, algorithm, limit: 2, periodMs: 60_000 })
  const left = await client.pttl(key)
  expect(left).toBeGreaterThan(0)
  expect(left).toBeLessThanOrEqual(64_000)
})

test('GCRA refills evenly and its burst is exact', async () => {
  const asked = { key: 'even', algorithm: GCRA, limit: 7, periodMs: YEAR_MS, burst: 500 }
  let admitted = 0
  for (let i = 0; i < 510; i++) admitted += 1 - (await decide(true, asked))[0]![0]!
  expect(admitted).toBe(500)
  const [answer] = await decide(true, asked)
  expect(answer![2]).toBeLessThanOrEqual(Math.ceil(YEAR_MS / 7))
  expect(answer![2]).toBeGreaterThan(YEAR_MS / 7 - 60_000)
})

test('short periods give the quota back on the clock of Redis', async () => {
  for (const [name, algorithm] of ALGORITHMS) {
    const asked = { key: `short ${name}`, algorithm, limit: 2, periodMs: 300, cost: 2 }
    const deadline = Date.now() + 10_000
    let admitted = 0
    while (admitted < 3 && Date.now() < deadline)
      admitted += 1 - (await decide(true, asked))[0]![0]!
    expect(admitted).toBe(3)
  }
})

test('without "all or none" a fixed window counts what it refuses', async () => {
  const asked = { key: 'each', algorithm: FIXED_WINDOW, limit: 1, cost: 2 }
  expect((await decide(false, asked))[0]![0]).toBe(1)
  expect((await decide(false, asked))[0]![0]).toBe(1)
  expect(await client.get('each')).toBe('4')
})

test.each(ALGORITHMS)('%s: equal requests are granted in part', async (name, algorithm) => {
  const asked = { key: `part ${name}`, algorithm, limit: 10, cost: 3 }
  expect((await grant(1, 5, asked))[0]!.slice(0, 2)).toEqual([3, 1])
  expect((await grant(1, 5, asked))[0]!.slice(0, 2)).toEqual([0, 1])
  expect((await grant(1, 5, { ...asked, cost: 1 }))[0]!.slice(0, 2)).toEqual([1, 0])
})

test('a group takes from all its keys what the tightest of them grants', async () => {
  const wide = { key: 'group wide', algorithm: FIXED_WINDOW, limit: 10 }
  const tight = { key: 'group tight', algorithm: GCRA, limit: 4 }
  const shadow = { key: 'group shadow', algorithm: SLIDING_WINDOW, limit: 2, enforces: false }
  const answers = await grant(1, 7, wide, tight, shadow)
  expect(answers.map((answer) => answer.slice(0, 2))).toEqual([
    [7, 6],
    [4, 0],
    [2, 0],
  ])
})

test.each(ALGORITHMS)('%s: what was taken can be given back', async (name, algorithm) => {
  const asked = { key: `refund ${name}`, algorithm, limit: 10, cost: 2 }
  await grant(1, 4, asked)
  const [seconds, micros] = await client.time()
  const chargedAt = Number(seconds) * 1e6 + Number(micros)
  const refund = [algorithm, 10, YEAR_MS * 1000, chargedAt, 2, 3]
  await client.eval(BATCH_SCRIPT, 1, asked.key, 2, 1, 3, ...refund)
  expect((await grant(1, 0, asked))[0]![1]).toBe(8)
})

test('a foreign value under a key fails that group alone', async () => {
  await client.set('foreign', 'text')
  await client.lpush('list', 'x')
  for (const [, algorithm] of ALGORITHMS) {
    for (const key of ['foreign', 'list']) {
      for (const mode of [0, 1]) {
        expect((await grant(mode, 1, { key, algorithm, limit: 5 }))[0]![0]).toBe(NO_COUNTER)
      }
    }
  }
})

import { TOGETHER } from '../../plugins/rate-limit/counter-store.ts'
import { GCRA, type Quota } from '../../plugins/rate-limit/limit-check.ts'
import { RedisStore } from '../../plugins/rate-limit/redis-store.ts'
import { countRequest } from '../../test/support/counted-requests.ts'
import { waitFor } from '../../test/support/wait.ts'
import type { RedisServer } from '../../test/support/redis.ts'
import { startDistantRedis } from './distant-redis.ts'
import { percentile, table } from './figures.ts'
import { measureThroughGateway } from './rate-limit-http.ts'

/** Limits of one request. */
export const DESCRIPTORS: readonly number[] = [1, 3, 10]
const CHECKS: readonly Setting[] = [
  { name: 'a check, Redis beside', concurrency: 1 },
  { name: 'a check, Redis beside', concurrency: 16 },
]
const DISTANCE_MS = 1
const PER_ROUND = 200
const CLIENTS = 1000
const QUOTA: Quota = {
  algorithm: GCRA,
  limit: 1_000_000,
  periodMs: 3_600_000,
  burst: 1_000_000,
}

/** A way to the server, and how many requests use it at once. */
interface Setting {
  readonly name: string
  readonly concurrency: number
}

/** Time from asking to the answer of requests with so many limits; rounds are interleaved. */
export async function measureLatency(redis: RedisServer, rounds: number): Promise<string> {
  await using distant = await startDistantRedis(redis.port, DISTANCE_MS)
  const rows = [
    ...(await measureThroughGateway(redis.url, rounds)),
    ...(await measureChecks(distant.url, rounds, [
      { name: 'a check, Redis 1 ms away', concurrency: 1 },
    ])),
    ...(await measureChecks(redis.url, rounds, CHECKS)),
  ]
  return `${table(
    ['what', 'at once', 'limits', 'median us', 'p99 us', 'times one limit (median)'],
    rows,
  )}

Medians of ${rounds} interleaved rounds. Every limit of a check has a counter of its own among those of ${CLIENTS}
clients. A check is the plugin and the server alone: on one machine, where the way costs next to
nothing, the work of the script for each limit shows. The goal: ten limits in at most 1.3 times the
time of one.`
}

async function measureChecks(
  url: string,
  rounds: number,
  settings: readonly Setting[],
): Promise<string[][]> {
  const store = new RedisStore(url, () => {})
  await waitFor('the connection', () => store.status().available)
  try {
    const rows: string[][] = []
    for (const setting of settings) rows.push(...(await compare(store, setting, rounds)))
    return rows
  } finally {
    await store.close()
  }
}

async function compare(
  store: RedisStore,
  { name, concurrency }: Setting,
  rounds: number,
): Promise<readonly string[][]> {
  const medians = DESCRIPTORS.map((): number[] => [])
  const p99s = DESCRIPTORS.map((): number[] => [])
  for (const descriptors of DESCRIPTORS) await run(store, descriptors, concurrency, PER_ROUND)
  for (let round = 0; round < rounds; round++) {
    for (const [index, descriptors] of DESCRIPTORS.entries()) {
      const times = await run(store, descriptors, concurrency, PER_ROUND)
      medians[index]!.push(percentile(times, 0.5))
      p99s[index]!.push(percentile(times, 0.99))
    }
  }
  const base = percentile(medians[0]!, 0.5)
  return DESCRIPTORS.map((descriptors, index) => {
    const median = percentile(medians[index]!, 0.5)
    return [
      name,
      String(concurrency),
      String(descriptors),
      median.toFixed(0),
      percentile(p99s[index]!, 0.5).toFixed(0),
      (median / base).toFixed(2),
    ]
  })
}

async function run(
  store: RedisStore,
  descriptors: number,
  concurrency: number,
  requests: number,
): Promise<number[]> {
  const times: number[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < requests) {
      const client = next++ % CLIENTS
      const limits = Array.from({ length: descriptors }, (_, index) => {
        return { key: `latency-${client}-${index}`, quota: QUOTA }
      })
      const began = performance.now()
      const { result } = await countRequest(store, limits, { charge: TOGETHER })
      times.push((performance.now() - began) * 1000)
      if (result !== 'admitted') throw new Error(`a request was ${result}`)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return times
}

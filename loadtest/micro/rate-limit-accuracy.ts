import { TOGETHER } from '../../plugins/rate-limit/counter-store.ts'
import { LeasedStore } from '../../plugins/rate-limit/leased-store.ts'
import { FIXED_WINDOW, type Quota } from '../../plugins/rate-limit/limit-check.ts'
import { RedisStore } from '../../plugins/rate-limit/redis-store.ts'
import { countRequest } from '../../test/support/counted-requests.ts'
import { type Admission, floodFromProcess } from '../../test/support/redis-flood.ts'
import { waitFor } from '../../test/support/wait.ts'
import { table } from './figures.ts'

const REPLICAS = [1, 2, 4, 8]
const LIMIT = 200
const PERIOD_MS = 500
const OVERLOAD = 10
const LEASE = 20
/** Processes take their time to start, eight on two cores the most. */
const START_MS = 1000
const START_EACH_MS = 700
const RUN_MS = 6 * PERIOD_MS
/** Behind it requests are not made up for: a machine that stands still would send them at once. */
const MAX_CATCH_UP_MS = 20

const EXACT: Quota = {
  algorithm: FIXED_WINDOW,
  limit: LIMIT,
  periodMs: PERIOD_MS,
  burst: LIMIT,
}

/**
 * Replicas flood one limit with ten times as much. An admission that was sent behind the beginning of
 * a window and answered before its end was certainly counted in it.
 */
export async function measureAccuracy(url: string): Promise<string> {
  const rows: string[][] = []
  for (const replicas of REPLICAS) {
    const perMs = (OVERLOAD * LIMIT) / PERIOD_MS / replicas
    const order = {
      url,
      key: `exact-${replicas}`,
      quota: EXACT,
      requestsPerMs: Math.ceil(perMs),
      untilMs: Date.now() + START_MS + replicas * START_EACH_MS + RUN_MS,
    }
    const processes = Array.from({ length: replicas }, () => floodFromProcess(order))
    rows.push(row('exact, processes', replicas, (await Promise.all(processes)).flat()))
  }
  for (const replicas of REPLICAS) {
    rows.push(row(`leases up to ${LEASE}`, replicas, await floodLeased(url, replicas)))
  }
  return `${table(
    ['counting', 'replicas', 'windows', 'most over the limit', 'least of a whole window'],
    rows,
  )}

Calendar windows of ${PERIOD_MS} ms, ${LIMIT} requests each, offered ${OVERLOAD} times as many. The goal: nothing over
the limit; leases leave at most ${LEASE} for each replica unused. "Least" leaves out requests that stood
across the edge of a window, and the first and last one.`
}

function row(name: string, replicas: number, admitted: readonly Admission[]): string[] {
  const perWindow = new Map<number, number>()
  for (const [sentAt, answeredAt] of admitted) {
    const window = Math.floor(sentAt / PERIOD_MS)
    if (window !== Math.floor(answeredAt / PERIOD_MS)) continue
    perWindow.set(window, (perWindow.get(window) ?? 0) + 1)
  }
  const counts = [...perWindow].toSorted(([a], [b]) => a - b).map(([, count]) => count)
  const over = Math.max(0, ...counts.map((count) => count - LIMIT))
  const least = counts.length < 3 ? '-' : String(Math.min(...counts.slice(1, -1)))
  return [name, String(replicas), String(counts.length), String(over), least]
}

async function floodLeased(url: string, replicas: number): Promise<readonly Admission[]> {
  const quota = { ...EXACT, lease: LEASE }
  const stores = Array.from({ length: replicas }, () => new RedisStore(url, () => {}))
  const leased = stores.map((store) => new LeasedStore(store))
  for (const store of stores) await waitFor('the connection', () => store.status().available)
  const admitted: Admission[] = []
  const running: Promise<void>[] = []
  const ask = async (store: LeasedStore): Promise<void> => {
    const limits = [{ key: `leased-${replicas}`, quota }]
    const { result, sentAt, answeredAt } = await countRequest(store, limits, { charge: TOGETHER })
    if (result === 'failed') throw new Error('a request was not counted')
    if (result === 'admitted') admitted.push([sentAt, answeredAt])
  }
  const until = Date.now() + RUN_MS
  let next = 0
  for (let last = Date.now(); last < until;) {
    const now = Date.now()
    const due = Math.min(MAX_CATCH_UP_MS, now - last) * Math.ceil((OVERLOAD * LIMIT) / PERIOD_MS)
    for (let i = 0; i < due; i++) running.push(ask(leased[next++ % replicas]!))
    last = now
    await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(running)
  for (const store of leased) await store.close()
  for (const store of stores) await store.close()
  return admitted
}

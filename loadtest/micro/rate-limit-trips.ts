import { TOGETHER } from '../../plugins/rate-limit/counter-store.ts'
import { FIXED_WINDOW, GCRA, type Quota } from '../../plugins/rate-limit/limit-check.ts'
import { LeasedStore } from '../../plugins/rate-limit/leased-store.ts'
import { RedisStore } from '../../plugins/rate-limit/redis-store.ts'
import { countRequest } from '../../test/support/counted-requests.ts'
import { waitFor } from '../../test/support/wait.ts'
import { table } from './figures.ts'

const RUN_MS = 2000
const WORKERS = 256
const CLIENTS = 1000
const YEAR_MS = 31_536_000_000

interface Load {
  readonly name: string
  readonly clients: number
  readonly leased: boolean
  readonly quota: Quota
}

const EXACT: Quota = { algorithm: GCRA, limit: 1e6, periodMs: 3_600_000, burst: 1e6 }
const LEASED: Quota = {
  algorithm: FIXED_WINDOW,
  limit: 1e9,
  periodMs: YEAR_MS,
  burst: 1e9,
  lease: 1000,
}

const LOADS: readonly Load[] = [
  { name: '1,000 counters, exact', clients: CLIENTS, leased: false, quota: EXACT },
  {
    name: 'one counter, exact',
    clients: 1,
    leased: false,
    quota: { ...EXACT, limit: 1e9, burst: 1e9 },
  },
  { name: 'one counter, leases up to 1,000', clients: 1, leased: true, quota: LEASED },
]

/** Checks that one round trip carries while 256 requests are always under way, below their limits. */
export async function measureTrips(url: string): Promise<string> {
  const rows: string[][] = []
  for (const load of LOADS) rows.push(await measure(url, load))
  return `${table(['counters', 'checks/s', 'round trips/s', 'checks in a round trip'], rows)}

${WORKERS} requests under way at all times for ${RUN_MS / 1000} s, one process. The goal: at least ten.`
}

async function measure(url: string, { name, clients, leased, quota }: Load): Promise<string[]> {
  const redis = new RedisStore(url, () => {})
  await waitFor('the connection', () => redis.status().available)
  const leases = new LeasedStore(redis)
  const store = leased ? leases : redis
  let asked = 0
  const began = performance.now()
  const worker = async (): Promise<void> => {
    while (performance.now() - began < RUN_MS) {
      const limits = [{ key: `trips-${name}-${asked++ % clients}`, quota }]
      const { result } = await countRequest(store, limits, { charge: TOGETHER })
      if (result !== 'admitted') throw new Error(`a request was ${result}`)
      // As the next request of a gateway: not in the same turn.
      if (leased && asked % WORKERS === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
  const seconds = (performance.now() - began) / 1000
  const { trips } = redis.status().redis!
  await leases.close()
  await redis.close()
  return [
    name,
    (asked / seconds).toFixed(0),
    (trips / seconds).toFixed(0),
    (asked / trips).toFixed(1),
  ]
}

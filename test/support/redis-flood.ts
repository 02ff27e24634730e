import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { TOGETHER } from '../../plugins/rate-limit/counter-store.ts'
import type { Quota } from '../../plugins/rate-limit/limit-check.ts'
import { RedisStore } from '../../plugins/rate-limit/redis-store.ts'
import { countRequest } from './counted-requests.ts'
import { waitFor } from './wait.ts'

/** When an admitted request was sent, and when its answer was there: milliseconds since the epoch. */
export type Admission = readonly [sentAt: number, answeredAt: number]

export interface FloodOrder {
  readonly url: string
  readonly key: string
  readonly quota: Quota
  readonly requestsPerMs: number
  readonly untilMs: number
}

/** Floods one limit from a process of its own. Rejects when a request was not counted. */
export async function floodFromProcess(order: FloodOrder): Promise<readonly Admission[]> {
  const child = spawn(process.execPath, [import.meta.filename, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`the flooding process ended with ${code}`)
  return JSON.parse(output) as Admission[]
}

async function flood(order: FloodOrder): Promise<readonly Admission[]> {
  const { url, key, quota, requestsPerMs, untilMs } = order
  const store = new RedisStore(url, () => {})
  await waitFor('the connection', () => store.status().available)
  const admitted: Admission[] = []
  const running: Promise<void>[] = []
  const ask = async (): Promise<void> => {
    const request = await countRequest(store, [{ key, quota }], { charge: TOGETHER })
    if (request.result === 'failed') throw new Error('a request was not counted')
    if (request.result === 'admitted') admitted.push([request.sentAt, request.answeredAt])
  }
  let last = Date.now()
  while (last < untilMs) {
    const now = Date.now()
    for (let i = 0; i < (now - last) * requestsPerMs; i++) running.push(ask())
    last = now
    await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(running)
  await store.close()
  return admitted
}

if (process.argv[1] === import.meta.filename) {
  const admitted = await flood(JSON.parse(process.argv[2] ?? '') as FloodOrder)
  process.stdout.write(JSON.stringify(admitted))
}

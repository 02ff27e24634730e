import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'

/** A Redis server that is further away: answers come later. In a thread of its own. */
export interface DistantRedis extends AsyncDisposable {
  readonly url: string
}

interface Distance {
  readonly port: number
  readonly delayMs: number
}

export async function startDistantRedis(port: number, delayMs: number): Promise<DistantRedis> {
  const distance: Distance = { port, delayMs }
  const worker = new Worker(new URL(import.meta.url), { workerData: distance })
  const own = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  return {
    url: `redis://127.0.0.1:${own}`,
    async [Symbol.asyncDispose]() {
      await worker.terminate()
    },
  }
}

/** Chunks keep their order: all wait equally long. */
function delay(from: Socket, to: Socket, delayMs: number): void {
  from.on('data', (chunk) => setTimeout(() => to.write(chunk), delayMs))
  from.on('error', () => to.destroy())
  from.on('close', () => to.destroy())
}

if (!isMainThread) {
  const { port, delayMs } = workerData as Distance
  const server = createServer({ noDelay: true }, (client) => {
    const redis = connect({ port, host: '127.0.0.1', noDelay: true })
    client.pipe(redis)
    client.on('error', () => redis.destroy())
    client.on('close', () => redis.destroy())
    delay(redis, client, delayMs)
  })
  server.listen(0, '127.0.0.1', () => {
    parentPort?.postMessage((server.address() as AddressInfo).port)
  })
}

import { redisClient } from './redis-client.ts'
import { describeTopology, type RedisTopology } from './topology.ts'

/** How long a script waits for a connection before it fails. */
const READY_WAIT_MS = 2000

/** Scripts on the Redis of the rate limits, for state that is shared the same way. */
export interface ScriptConnection {
  /** `host:port`, without credentials. */
  readonly server: string
  /** Rejects when there is no connection, or no answer in time: the script may have run then. */
  run(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown>
  close(): Promise<void>
}

/** Connects at once and keeps trying until closed. `name` is what CLIENT LIST shows. */
export function connectScripts(
  topology: RedisTopology,
  name: string,
  onError: (error: Error) => void,
): ScriptConnection {
  const client = redisClient(topology, name)
  client.on('error', onError)
  const ended = new AbortController()
  const ready = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer)
        client.removeListener('ready', settle)
        ended.signal.removeEventListener('abort', settle)
        if (client.status === 'ready') resolve()
        else reject(new Error(`there is no connection to Redis at ${describeTopology(topology)}`))
      }
      const timer = setTimeout(settle, READY_WAIT_MS)
      client.once('ready', settle)
      ended.signal.addEventListener('abort', settle, { once: true })
      if (ended.signal.aborted) settle()
    })
  return {
    server: `Redis at ${describeTopology(topology)}`,
    run: async (script, keys, args) => {
      if (client.status !== 'ready') await ready()
      return client.eval(script, keys.length, ...keys, ...args)
    },
    close: () => {
      client.disconnect()
      ended.abort()
      return Promise.resolve()
    },
  }
}

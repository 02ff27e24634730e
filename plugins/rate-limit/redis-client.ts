import { Redis, type Result } from 'ioredis'
import { backoffMs } from '../../src/base/backoff.ts'
import { systemRandom } from '../../src/base/random.ts'

/**
 * All counters of a request in one step. Each key lives until its window ends by Redis' own clock,
 * so the key itself is the window: replicas with other clocks cannot disagree about the edge.
 *
 * KEYS: counters. ARGV: window seconds and hits of each. Returns the time in seconds, then the
 * counters after this request.
 */
const COUNT_SCRIPT = `
local now = tonumber(redis.call('TIME')[1])
local reply = {now}
for i = 1, #KEYS do
  local window = tonumber(ARGV[i * 2 - 1])
  local hits = tonumber(ARGV[i * 2])
  local after = redis.call('INCRBY', KEYS[i], hits)
  if after == hits then redis.call('EXPIREAT', KEYS[i], now - now % window + window) end
  reply[i + 1] = after
end
return reply
`

declare module 'ioredis' {
  interface RedisCommander<Context> {
    /** COUNT_SCRIPT: number of keys, the keys, then window and hits of each. */
    tidegateCount(keys: number, ...keysAndArguments: (string | number)[]): Result<number[], Context>
  }
}

const CONNECT_TIMEOUT_MS = 500
/** A connection with unanswered commands that stays silent this long is given up. */
const SILENCE_LIMIT_MS = 2000
/** A server that does not close its side is not waited for. */
const DISCONNECT_TIMEOUT_MS = 500
const RECONNECT_BASE_MS = 50
const RECONNECT_CAP_MS = 2000

/** `host:port` of a Redis URL, which may hold a password. Throws on anything else. */
export function redisServer(redisUrl: string): string {
  const url = URL.canParse(redisUrl) ? new URL(redisUrl) : null
  if (
    url === null ||
    (url.protocol !== 'redis:' && url.protocol !== 'rediss:') ||
    url.hostname === ''
  ) {
    throw new Error(
      'the Redis URL must look like redis://[user:password@]host[:port][/database] or rediss://...',
    )
  }
  return `${url.hostname}:${url.port === '' ? '6379' : url.port}`
}

/**
 * A client that never queues and never repeats: a counting command without an answer may have
 * counted, so it is not sent twice.
 */
export function connectRedis(redisUrl: string): Redis {
  const client = new Redis(redisUrl, {
    protocol: 2,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_LIMIT_MS,
    connectionName: 'tidegate-rate-limit',
    retryStrategy: (times) =>
      backoffMs(times - 1, RECONNECT_BASE_MS, RECONNECT_CAP_MS, systemRandom),
    // A demoted primary answers READONLY: a new connection may find the new one.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  })
  client.defineCommand('tidegateCount', { lua: COUNT_SCRIPT })
  return client
}

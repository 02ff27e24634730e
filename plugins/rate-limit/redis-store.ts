import type { Redis } from 'ioredis'
import { Breaker } from './breaker.ts'
import {
  type Counting,
  type CounterStore,
  type CountResult,
  PENDING,
  type StoreStatus,
  UNAVAILABLE,
} from './counter-store.ts'
import { Deadline, Deadlines } from './deadlines.ts'
import { connectRedis, redisServer } from './redis-client.ts'

export type Log = (level: 'info' | 'warn' | 'error', message: string) => void

const KEY_PREFIX = 'tidegate:rl:'
const PROBE_KEY = `${KEY_PREFIX}probe`

/** Checks that may wait for Redis at once; more are decided by failure_mode_deny. */
const MAX_PENDING = 10_000

/** One command on its way, with the time it may take. */
class PendingCount extends Deadline {
  readonly #counting: Counting
  readonly #owner: RedisStore
  #settled = false

  constructor(counting: Counting, owner: RedisStore) {
    super()
    this.#counting = counting
    this.#owner = owner
  }

  answered(reply: readonly number[]): void {
    // Even a late answer shows that the server lives.
    this.#owner.noteSuccess()
    if (this.#settled) return
    this.#settled = true
    const counting = this.#counting
    counting.nowSeconds = reply[0] ?? 0
    for (let i = 0; i < counting.keys.length; i++) counting.counts[i] = reply[i + 1] ?? 0
    this.#owner.release(this)
    counting.counted()
  }

  refused(error: unknown): void {
    if (this.#settled) return
    this.#owner.noteFailure(reasonOf(error))
    this.#fail()
  }

  override expire(): void {
    if (this.#settled) return
    this.#owner.noteFailure('no answer in time')
    this.#fail()
  }

  #fail(): void {
    this.#settled = true
    this.#owner.release(this)
    this.#counting.failed()
  }
}

/**
 * Counters shared through one Redis server, one script call per request. A request never waits
 * longer than its own timeout; while Redis is known to be away it does not wait at all.
 */
export class RedisStore implements CounterStore {
  readonly #client: Redis
  readonly #server: string
  readonly #log: Log
  readonly #deadlines = new Deadlines()
  readonly #breaker: Breaker
  #pending = 0
  /** What was logged last; null before the first connection. */
  #up: boolean | null = null
  #lastError = 'not connected yet'
  #closing = false

  /** Throws when the URL is none. Connects at once and keeps trying until `close`. */
  constructor(redisUrl: string, log: Log) {
    this.#server = redisServer(redisUrl)
    this.#log = log
    this.#client = connectRedis(redisUrl)
    this.#breaker = new Breaker(
      async () => {
        await this.#client.tidegateCount(1, PROBE_KEY, 1, 0)
      },
      (open) => this.#note(!open),
    )
    this.#client.on('ready', () => {
      this.#breaker.reset()
      this.#note(true)
    })
    this.#client.on('error', (error: Error) => {
      this.#lastError = reasonOf(error)
    })
    this.#client.on('close', () => this.#note(false))
  }

  count(counting: Counting): CountResult {
    if (this.#client.status !== 'ready' || this.#breaker.isOpen || this.#pending >= MAX_PENDING) {
      return UNAVAILABLE
    }
    const pending = new PendingCount(counting, this)
    this.#pending++
    this.#deadlines.start(pending, counting.timeoutMs)
    this.#client.tidegateCount(counting.keys.length, ...commandArguments(counting)).then(
      (reply) => pending.answered(reply),
      (error: unknown) => pending.refused(error),
    )
    return PENDING
  }

  status(): StoreStatus {
    return {
      kind: 'redis',
      server: this.#server,
      available: this.#client.status === 'ready' && !this.#breaker.isOpen,
      size: this.#pending,
      evicted: 0,
    }
  }

  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    this.#breaker.close()
    const client = this.#client
    // Between two connections there is no socket whose end could be waited for.
    const idle = client.status === 'end' || client.status === 'reconnecting'
    const ended = new Promise<void>((resolve) => client.once('end', () => resolve()))
    client.disconnect()
    if (!idle) await ended
  }

  noteSuccess(): void {
    this.#breaker.succeeded()
  }

  noteFailure(reason: string): void {
    this.#lastError = reason
    this.#breaker.failed()
  }

  release(pending: PendingCount): void {
    this.#deadlines.cancel(pending)
    this.#pending--
  }

  /** Logs a change of state once. */
  #note(up: boolean): void {
    if (this.#closing || this.#up === up) return
    this.#up = up
    if (up) {
      this.#log('info', `rate limit: counting in Redis at ${this.#server}`)
    } else {
      this.#log(
        'error',
        `rate limit: Redis at ${this.#server} is not available (${this.#lastError}): ` +
          'requests are decided by failure_mode_deny until it is back',
      )
    }
  }
}

function commandArguments(counting: Counting): (string | number)[] {
  const list: (string | number)[] = []
  for (const key of counting.keys) list.push(KEY_PREFIX + key)
  for (let i = 0; i < counting.keys.length; i++) {
    list.push(counting.windows[i] ?? 1, counting.hits[i] ?? 0)
  }
  return list
}

/** Error codes and server messages; neither holds the URL's password. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  if ('code' in error && typeof error.code === 'string') return error.code
  return error.message === '' ? error.name : error.message
}

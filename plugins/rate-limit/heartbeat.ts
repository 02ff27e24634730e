import { randomBytes } from 'node:crypto'

/** Seconds between two signs of life, and how long one counts: two may be lost. */
const INTERVAL_MS = 2000
const LIFETIME_MS = 7000

const NAME_BYTES = 9

/**
 * Signs of life in a sorted set, by the time they end. KEYS: the set. ARGV: own name, lifetime in
 * milliseconds. Returns the names that live.
 */
export const HEARTBEAT_SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZRANGE', KEYS[1], 0, -1)
`

/** What signs of life are sent through. */
export interface HeartbeatLink {
  readonly isReady: boolean
  heartbeat(key: string, name: string, lifetimeMs: number): Promise<readonly string[]>
  leave(key: string, name: string): void
}

/** Which part of the replicas that share counters this process is. */
export interface ReplicaShare {
  /** At least 1. */
  readonly replicas: number
  /** Own place among them, from 0. */
  readonly rank: number
}

/** Tells the other replicas of this one, and learns how many there are. */
export class Heartbeat implements ReplicaShare {
  readonly name = randomBytes(NAME_BYTES).toString('base64url')
  readonly #link: HeartbeatLink
  readonly #key: string
  readonly #timer: NodeJS.Timeout
  #replicas = 1
  #rank = 0

  /** `prefix` is that of all keys. Runs until closed. */
  constructor(link: HeartbeatLink, prefix: string) {
    this.#link = link
    this.#key = `${prefix}replicas`
    this.#timer = setInterval(() => {
      if (link.isReady) this.beat().catch(() => {})
    }, INTERVAL_MS).unref()
  }

  /** As last heard: what Redis said before it went away still holds. */
  get replicas(): number {
    return this.#replicas
  }

  get rank(): number {
    return this.#rank
  }

  /** Rejects when Redis does not take it: a write, so it also shows that counting works. */
  async beat(): Promise<void> {
    const names = await this.#link.heartbeat(this.#key, this.name, LIFETIME_MS)
    const sorted = [...names].sort()
    this.#replicas = Math.max(1, sorted.length)
    this.#rank = Math.max(0, sorted.indexOf(this.name))
  }

  close(): void {
    clearInterval(this.#timer)
    this.#link.leave(this.#key, this.name)
  }
}

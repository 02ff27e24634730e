import { Batch, type BatchCall, type KeySpace } from './batch.ts'
import type { Refund, Waiting } from './batch-group.ts'
import { Breaker } from './breaker.ts'
import {
  COUNTED,
  type Counting,
  type CounterStore,
  type CountResult,
  EACH,
  PENDING,
  type RedisStatus,
  type StoreStatus,
  UNAVAILABLE,
} from './counter-store.ts'
import { Deadline, Deadlines } from '../../src/base/deadlines.ts'
import { Heartbeat, type ReplicaShare } from './heartbeat.ts'
import type { LimitCheck } from './limit-check.ts'
import { CLUSTER_TRUST_MS, MAX_TRUST_MS, NearCache } from './near-cache.ts'
import { connectRedis, type RedisLink } from './redis-client.ts'
import { forgetInRedis, lookInRedis } from './redis-inspection.ts'
import { describeTopology, parseRedisUrl } from './topology.ts'

export type Log = (level: 'info' | 'warn' | 'error', message: string) => void

/** Requests that may wait for Redis at once; more are decided as if it were away. */
const MAX_PENDING = 10_000

/**
 * Batches on their way at once. While so many are, checks gather for the next: the slower Redis
 * is, the more of them share a round trip.
 */
const MAX_FLIGHTS = 4

/** Requests that are late together are one failure of the server. */
const ONE_FAILURE_MS = 1

/** The checks of one tick, and what became of them. */
class Flight {
  readonly batch = new Batch()
  sent = false
  openCalls = 0
  /** It no longer keeps others from leaving. */
  released = false
}

/** One request whose checks are on their way, with the time it may take. */
class PendingCount extends Deadline implements Waiting {
  readonly counting: Counting
  readonly flight: Flight
  readonly #owner: RedisStore
  /** Groups that are not answered yet. */
  openGroups = 0
  settled = false

  constructor(counting: Counting, flight: Flight, owner: RedisStore) {
    super()
    this.counting = counting
    this.flight = flight
    this.#owner = owner
  }

  groupDone(answered: boolean): void {
    if (this.settled) return
    if (!answered) this.fail()
    else if (--this.openGroups === 0) {
      this.#settle()
      this.counting.counted()
    }
  }

  override expire(): void {
    if (this.settled) return
    this.#owner.noteLate(this.flight)
    this.fail()
  }

  fail(): void {
    this.#settle()
    this.counting.failed()
  }

  #settle(): void {
    this.settled = true
    this.#owner.release(this)
  }
}

/**
 * Counters shared through Redis. All checks of an event loop tick go in one call per server; keys
 * known to be used up are not asked about. A request never waits longer than its own timeout;
 * while Redis is known to be away it does not wait at all.
 */
export class RedisStore implements CounterStore {
  readonly #link: RedisLink
  readonly #server: string
  readonly #space: KeySpace
  readonly #log: Log
  readonly #deadlines = new Deadlines()
  readonly #breaker: Breaker
  readonly #heartbeat: Heartbeat
  readonly #near: NearCache
  readonly #recheckMs: number
  readonly envoyKeys: boolean
  #flight = new Flight()
  #flights = 0
  #flushing: NodeJS.Immediate | null = null
  #pending = 0
  #lateAt = 0
  #trips = 0
  #checks = 0
  #nearDenials = 0
  /** What was logged last; null before the first connection. */
  #up: boolean | null = null
  #lastError = 'not connected yet'
  #closing = false

  /** Throws when the URL is none. Connects at once and keeps trying until `close`. */
  constructor(redisUrl: string, log: Log) {
    const topology = parseRedisUrl(redisUrl)
    this.#server = describeTopology(topology)
    this.envoyKeys = topology.envoyKeys
    this.#log = log
    const link = connectRedis(topology, {
      ready: () => this.#noteReady(),
      lost: () => this.#note(false),
      failed: (error) => {
        this.#lastError = reasonOf(error)
      },
    })
    this.#link = link
    this.#recheckMs = topology.kind === 'cluster' ? CLUSTER_TRUST_MS : MAX_TRUST_MS
    this.#near = new NearCache(this.#recheckMs)
    const { prefix, envoyPrefix } = topology
    this.#space = { prefix, envoyPrefix, slotOf: (key) => link.slotOf(key) }
    this.#heartbeat = new Heartbeat(link, prefix)
    this.#breaker = new Breaker(
      () => this.#heartbeat.beat(),
      (open) => this.#note(!open),
    )
  }

  /** How many replicas count here, as far as is known. */
  get share(): ReplicaShare {
    return this.#heartbeat
  }

  /** A counter that was known to be used up is asked about again after so many milliseconds. */
  get recheckMs(): number {
    return this.#recheckMs
  }

  count(counting: Counting): CountResult {
    const known = this.#answerKnown(counting)
    if (known === null) return COUNTED
    if (!this.#isAvailable() || this.#pending >= MAX_PENDING) return UNAVAILABLE
    const flight = this.#flight
    const pending = new PendingCount(counting, flight, this)
    if (counting.charge === EACH) {
      for (let i = 0; i < counting.checks.length; i++) {
        if (known.includes(i)) continue
        pending.openGroups++
        flight.batch.addOne(pending, i)
      }
    } else {
      pending.openGroups = 1
      flight.batch.addAll(pending)
    }
    this.#checks += counting.checks.length - known.length
    this.#pending++
    this.#deadlines.start(pending, counting.timeoutMs)
    this.#scheduleFlush()
    return PENDING
  }

  status(): StoreStatus {
    return {
      kind: 'redis',
      server: this.#server,
      available: this.#isAvailable(),
      size: this.#pending,
      evicted: 0,
      redis: this.#redisStatus(),
    }
  }

  /** Gives units back that a check took. Nobody waits for it: lost while Redis is away. */
  giveBack(check: LimitCheck, chargedAtUs: number): void {
    if (!this.#isAvailable()) return
    this.#flight.batch.addRefund({ check, requests: 1, chargedAtUs })
    this.#scheduleFlush()
  }

  look(checks: readonly LimitCheck[]): Promise<boolean> {
    return this.#isAvailable() ? lookInRedis(this.#link, this.#space, checks) : NOT_ASKED
  }

  async forget(checks: readonly LimitCheck[]): Promise<number | null> {
    const forgotten = this.#isAvailable()
      ? await forgetInRedis(this.#link, this.#space, checks)
      : null
    // Behind the deletion: an answer that was on its way may have denied meanwhile.
    if (forgotten !== null) for (const { key } of checks) this.#near.forget(key)
    return forgotten
  }

  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    this.#breaker.close()
    this.#heartbeat.close()
    this.#deadlines.expireAll()
    if (this.#flushing !== null) clearImmediate(this.#flushing)
    await this.#link.close()
  }

  /** A request waited as long as it may. */
  noteLate(flight: Flight): void {
    if (flight.sent) this.#releaseFlight(flight)
    const now = performance.now()
    if (now - this.#lateAt < ONE_FAILURE_MS) return
    this.#lateAt = now
    this.#noteFailure('no answer in time')
  }

  release(pending: PendingCount): void {
    this.#deadlines.cancel(pending)
    this.#pending--
  }

  #isAvailable(): boolean {
    return this.#link.isReady && !this.#breaker.isOpen && !this.#closing
  }

  #redisStatus(): RedisStatus {
    return {
      trips: this.#trips,
      checks: this.#checks,
      nearDenials: this.#nearDenials,
      nearKeys: this.#near.size,
      replicas: this.#heartbeat.replicas,
    }
  }

  /** Answers what needs no asking: the indexes of those checks, or null when that is all. */
  #answerKnown({ checks, charge }: Counting): readonly number[] | null {
    if (this.#near.size === 0) return NONE
    const now = performance.now()
    let known: number[] | null = null
    for (let i = 0; i < checks.length; i++) {
      if (!this.#near.answer(checks[i]!, now)) continue
      known ??= []
      known.push(i)
    }
    if (known === null) return NONE
    this.#nearDenials += known.length
    if (charge === EACH) return known.length === checks.length ? null : known
    // One refuses, so none is charged; what is left of the others does not matter.
    for (let i = 0; i < checks.length; i++) {
      if (!known.includes(i)) checks[i]!.answer(false, checks[i]!.quota.limit, 0, 0)
    }
    return null
  }

  /** After everything that arrived in this turn of the event loop. */
  #scheduleFlush(): void {
    if (this.#flushing !== null || this.#flights >= MAX_FLIGHTS) return
    this.#flushing = setImmediate(() => {
      this.#flushing = null
      this.#flush()
    })
  }

  #flush(): void {
    const flight = this.#flight
    if (flight.batch.isEmpty) return
    this.#flight = new Flight()
    const calls = flight.batch.calls(this.#space, Date.now())
    flight.sent = true
    flight.openCalls = calls.length
    if (calls.length === 0) return
    this.#flights++
    this.#trips += this.#tripsOf(calls)
    const askedAt = performance.now()
    for (const call of calls) this.#send(call, flight, askedAt)
  }

  #send(call: BatchCall, flight: Flight, askedAt: number): void {
    this.#link.decide(call.keys, call.args).then(
      (reply) => {
        // Even a late answer shows that the server lives.
        this.#breaker.succeeded()
        this.#finish(flight, (refunds) => call.answered(reply, askedAt, this.#near, refunds))
      },
      (error: unknown) => {
        this.#noteFailure(reasonOf(error))
        this.#finish(flight, (refunds) => call.failed(askedAt, this.#near, refunds))
      },
    )
  }

  #finish(flight: Flight, conclude: (refunds: Refund[]) => void): void {
    const refunds: Refund[] = []
    if (--flight.openCalls === 0) this.#releaseFlight(flight)
    conclude(refunds)
    if (refunds.length === 0 || !this.#isAvailable()) return
    for (const refund of refunds) this.#flight.batch.addRefund(refund)
    this.#scheduleFlush()
  }

  #releaseFlight(flight: Flight): void {
    if (flight.released) return
    flight.released = true
    this.#flights--
    if (!this.#flight.batch.isEmpty) this.#scheduleFlush()
  }

  /** Calls to one server in one tick are one round trip. */
  #tripsOf(calls: readonly BatchCall[]): number {
    if (calls.length === 1) return 1
    const nodes = new Set<string>()
    for (const { slot } of calls) nodes.add(this.#link.nodeOf(slot))
    return nodes.size
  }

  #noteFailure(reason: string): void {
    this.#lastError = reason
    this.#breaker.failed()
  }

  /** Another server, or the same one without memory: denials of before say nothing. */
  #noteReady(): void {
    this.#near.clear()
    this.#breaker.reset()
    this.#heartbeat.beat().catch(() => {})
    this.#note(true)
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
        `rate limit: Redis at ${this.#server} is not available (${this.#lastError}): requests ` +
          'are decided by onFailure and failure_mode_deny until it is back',
      )
    }
  }
}

const NONE: readonly number[] = []
const NOT_ASKED = Promise.resolve(false)

/** Error codes and server messages; neither holds the URL's password. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  if ('code' in error && typeof error.code === 'string') return error.code
  return error.message === '' ? error.name : error.message
}

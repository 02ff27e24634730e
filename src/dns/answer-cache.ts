import { monotonicNow, type Now } from '../base/clock.ts'
import { type Answered, type DnsAnswerRecord, RCODE } from './message.ts'

export const MAX_CACHED_ANSWERS = 4_096
const MAX_TTL_SECONDS = 3_600
/** RFC 2308 5 recommends hours; a name that was just created should not be missed that long. */
const MAX_NEGATIVE_TTL_SECONDS = 300
/** RFC 9520 3.2: failures are kept for a second at least, so that retries do not multiply. */
const FAILURE_TTL_SECONDS = 1

interface CacheEntry {
  readonly answered: Answered
  readonly storedAtMs: number
  readonly ttlSeconds: number
}

/** Answers of name servers, kept for their TTL; the oldest leaves when it is full. */
export class AnswerCache {
  readonly #entries: Map<string, CacheEntry>
  readonly #now: Now

  constructor(now: Now = monotonicNow) {
    this.#entries = new Map()
    this.#now = now
  }

  get size(): number {
    return this.#entries.size
  }

  /** With TTLs as they are by now, or null. */
  find(key: string): Answered | null {
    const entry = this.#entries.get(key)
    if (entry === undefined) return null
    const age = Math.floor((this.#now() - entry.storedAtMs) / 1_000)
    if (age >= entry.ttlSeconds) {
      this.#entries.delete(key)
      return null
    }
    if (age === 0) return entry.answered
    const { answered } = entry
    return {
      ...answered,
      answers: answered.answers.map((record) => aged(record, age)),
      authorities: answered.authorities.map((record) => aged(record, age)),
    }
  }

  keep(key: string, answered: Answered): void {
    const ttlSeconds = ttlOf(answered)
    this.#entries.delete(key)
    if (ttlSeconds <= 0) return
    if (this.#entries.size >= MAX_CACHED_ANSWERS) {
      const oldest = this.#entries.keys().next()
      if (oldest.done !== true) this.#entries.delete(oldest.value)
    }
    this.#entries.set(key, { answered, storedAtMs: this.#now(), ttlSeconds })
  }

  clear(): void {
    this.#entries.clear()
  }
}

function aged(record: DnsAnswerRecord, seconds: number): DnsAnswerRecord {
  return { ...record, ttl: Math.max((record.ttl ?? 0) - seconds, 0) }
}

function ttlOf({ rcode, answers, authorities }: Answered): number {
  if (rcode !== RCODE.noError && rcode !== RCODE.nxDomain) return FAILURE_TTL_SECONDS
  const least = answers.reduce((ttl, record) => Math.min(ttl, record.ttl ?? 0), MAX_TTL_SECONDS)
  if (rcode === RCODE.noError && answers.length > 0) return least
  // RFC 2308 5: a negative answer without SOA is not kept.
  const soa = authorities.find((record) => record.type === 'SOA')
  if (soa === undefined || soa.type !== 'SOA') return 0
  const negative = Math.min(soa.ttl ?? 0, soa.data.minimum ?? 0, MAX_NEGATIVE_TTL_SECONDS)
  return Math.min(least, negative)
}

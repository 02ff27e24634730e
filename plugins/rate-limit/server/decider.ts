import { fromBytes } from '../../../src/base/latin1.ts'
import { COUNTED, type Counting, type CounterStore, EACH, UNAVAILABLE } from '../counter-store.ts'
import { decide, wholeSeconds } from '../decision.ts'
import { type DescriptorNode, matchDescriptor } from '../descriptor-tree.ts'
import { fixedQuota, type Limit, UNIT_SECONDS } from '../limit.ts'
import { LimitCheck } from '../limit-check.ts'
import { limitKey } from '../limit-match.ts'
import { literal } from '../literal.ts'
import type { RateLimitStats } from '../stats.ts'
import type { ServiceDescriptor, ServiceRequest } from '../wire/request-message.ts'
import {
  type DescriptorStatus,
  OK,
  OVER_LIMIT,
  type ServiceResponse,
} from '../wire/response-message.ts'
import { unitOfSeconds } from '../wire/unit.ts'
import { limitHeaders } from './limit-headers.ts'
import type { ServedDomains } from './served-domains.ts'

/** Who asked. One of the two is called, once. */
export interface Asker {
  decided(response: ServiceResponse): void
  /** Counters are out of reach. */
  unavailable(): void
}

export interface DeciderParts {
  readonly domains: Pick<ServedDomains, 'find'>
  readonly store: CounterStore
  readonly stats: RateLimitStats
  /** Answers carry RateLimit-Limit, -Remaining and -Reset. */
  readonly responseHeaders: boolean
}

/** Descriptors in one request, and entries in one descriptor. */
const MAX_DESCRIPTORS = 256
const MAX_ENTRIES = 64

/** Units one descriptor may take; what is more takes as many. */
const MAX_HITS = 0xffffffff

/** What an unlimited descriptor has left (envoyproxy/ratelimit). */
const UNLIMITED = 0xffffffff

/** A limit that one descriptor reached. */
interface Reached {
  readonly limit: Limit
  readonly entries: readonly string[]
  readonly hits: number
}

/** Answers RateLimitRequests as envoyproxy/ratelimit does, from descriptor files and counters here. */
export class Decider {
  readonly #parts: DeciderParts
  /** Requests that wait for their counters. */
  open = 0

  constructor(parts: DeciderParts) {
    this.#parts = parts
  }

  /** Answers at once where nothing waits. A string says why the request is none. */
  ask(request: ServiceRequest, timeoutMs: number, asker: Asker): string | null {
    const wrong = problemOf(request)
    if (wrong !== null) return wrong
    const domain = fromBytes(request.domain)
    const root = this.#parts.domains.find(domain)
    const { descriptors, hitsAddend } = request
    const reached = descriptors.map((one) => (root === null ? null : reach(root, one, hitsAddend)))
    this.open++
    const settled = (): void => void this.open--
    new Judgement(this.#parts, { domain, reached, timeoutMs, asker, settled }).begin()
    return null
  }
}

function problemOf({ domain, descriptors }: ServiceRequest): string | null {
  if (domain === '') return 'rate limit domain must not be empty'
  if (descriptors.length === 0) return 'rate limit descriptor list must not be empty'
  if (descriptors.length > MAX_DESCRIPTORS) return `more than ${MAX_DESCRIPTORS} descriptors`
  const tooLong = descriptors.some(({ entries }) => entries.length > 2 * MAX_ENTRIES)
  return tooLong ? `a descriptor has more than ${MAX_ENTRIES} entries` : null
}

function reach(root: DescriptorNode, one: ServiceDescriptor, hitsAddend: number): Reached | null {
  const entries = [...one.entries]
  const limit =
    one.limit === null
      ? matchDescriptor(root, entries)
      : ownLimit(fixedQuota(one.limit.requestsPerUnit, UNIT_SECONDS[one.limit.unit]))
  if (limit === null) return null
  const hits = Math.min(one.hitsAddend ?? Math.max(1, hitsAddend), MAX_HITS)
  return { limit, entries, hits }
}

/** A limit that the request itself brought. */
function ownLimit(quota: Limit['quota']): Limit {
  return {
    quota,
    unlimited: false,
    // One rule for metrics: whoever asks may bring any number of them.
    path: 'override',
    line: null,
    name: '',
    replaces: [],
    shadowMode: false,
    quotaMode: false,
  }
}

interface Question {
  readonly domain: string
  /** What each descriptor reached; null: no limit. */
  readonly reached: readonly (Reached | null)[]
  readonly timeoutMs: number
  readonly asker: Asker
  /** Called once before the asker hears. */
  settled(): void
}

/** One request at its limits. */
class Judgement implements Counting {
  readonly checks: LimitCheck[] = []
  readonly charge = EACH
  readonly timeoutMs: number
  readonly #parts: DeciderParts
  readonly #question: Question
  /** The limit of each check. */
  readonly #limits: Limit[] = []
  /** The check of each descriptor, or null. */
  readonly #checkOf: (LimitCheck | null)[] = []

  constructor(parts: DeciderParts, question: Question) {
    this.#parts = parts
    this.#question = question
    this.timeoutMs = question.timeoutMs
    const replaced = new Set(question.reached.flatMap((one) => one?.limit.replaces ?? []))
    for (const one of question.reached) {
      const counts = one !== null && !one.limit.unlimited && !replaced.has(one.limit.name)
      this.#checkOf.push(counts ? this.#add(one) : null)
    }
  }

  begin(): void {
    const { stats, store } = this.#parts
    if (this.checks.length === 0) {
      this.counted()
      return
    }
    stats.checks++
    const result = store.count(this)
    if (result === COUNTED) this.counted()
    else if (result === UNAVAILABLE) this.failed()
  }

  counted(): void {
    const { reached, asker } = this.#question
    this.#question.settled()
    const decision = this.checks.length === 0 ? null : decide(this.#limits, this.checks)
    const denied = decision?.overLimit === true
    this.#count(denied)
    const statuses = reached.map((one, index) => this.#statusOf(one, this.#checkOf[index] ?? null))
    const headers = this.#parts.responseHeaders && decision !== null
    asker.decided({
      code: denied ? OVER_LIMIT : OK,
      statuses,
      responseHeaders: headers ? limitHeaders(statuses) : [],
      requestHeaders: [],
      body: NO_BODY,
    })
  }

  failed(): void {
    const { stats } = this.#parts
    this.#question.settled()
    stats.failures++
    for (const limit of this.#limits) stats.limit(this.#question.domain, limit).unavailable++
    this.#question.asker.unavailable()
  }

  #add({ limit, entries, hits }: Reached): LimitCheck {
    const { domain } = this.#question
    const key = limitKey({ domain, store: this.#parts.store }, entries, limit)
    const check = new LimitCheck(key, limit.quota, hits, !limit.shadowMode)
    this.checks.push(check)
    this.#limits.push(limit)
    return check
  }

  #statusOf(one: Reached | null, check: LimitCheck | null): DescriptorStatus {
    if (one === null || check === null) {
      const remaining = one?.limit.unlimited === true ? UNLIMITED : 0
      return { code: OK, limit: null, remaining, resetSeconds: 0 }
    }
    const { quota, name, shadowMode } = one.limit
    const unit = unitOfSeconds(quota.periodMs / 1000)
    return {
      code: check.over && !shadowMode ? OVER_LIMIT : OK,
      limit: { requestsPerUnit: quota.limit, unit, name: literal(name) },
      remaining: check.over ? 0 : check.remaining,
      resetSeconds: wholeSeconds(check.resetMs),
    }
  }

  #count(denied: boolean): void {
    const { stats } = this.#parts
    if (denied) stats.denied++
    for (const [index, limit] of this.#limits.entries()) {
      const check = this.checks[index]!
      const counts = stats.limit(this.#question.domain, limit)
      stats.hot.note(counts, check)
      if (!check.over) {
        if (!denied) counts.allowed++
      } else if (denied && !limit.shadowMode) counts.limited++
      else counts.shadowed++
    }
  }
}

const NO_BODY = Buffer.alloc(0)

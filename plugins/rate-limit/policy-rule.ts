import { parseDurationMs } from '../../src/base/duration.ts'
import type { FilterCompileContext, FilterExchange } from '../../src/filters/filter.ts'
import { counterKey } from './counter-key.ts'
import { FIXED_WINDOW, GCRA, LimitCheck, type Quota, SLIDING_WINDOW } from './limit-check.ts'
import { compileConditions, type PolicyCondition } from './policy-conditions.ts'
import type {
  AlgorithmName,
  CostSpec,
  HeaderStyle,
  LimitSpec,
  OnFailure,
  PolicySettings,
  QueueSpec,
  RuleSpec,
} from './policy-settings.ts'
import type { RateLimitStats, RuleStats } from './stats.ts'
import type { QueueSettings } from './waiting-room.ts'

const ALGORITHMS = {
  gcra: GCRA,
  fixedWindow: FIXED_WINDOW,
  slidingWindow: SLIDING_WINDOW,
} as const

/** As Envoy's filter: a limiter that takes longer is worse than none. */
const DEFAULT_TIMEOUT_MS = 20

/** A limit of a rule, under the name that answers give it. */
interface NamedQuota {
  readonly quota: Quota & { readonly lease: number }
  /** `per-client`, with the seconds of the window behind it where a rule has several. */
  readonly label: string
  readonly algorithm: AlgorithmName
}

/** What one request costs. */
class Cost {
  readonly #number: number
  readonly #header: string | null
  readonly #maximum: number

  constructor({ number = 1, header, maximum }: CostSpec) {
    this.#number = number
    this.#header = header === undefined ? null : header.toLowerCase()
    this.#maximum = maximum ?? number
  }

  /** A client can raise its cost up to the maximum, never lower it below the number. */
  of(exchange: FilterExchange): number {
    if (this.#header === null) return this.#number
    const text = exchange.request.headers.get(this.#header)
    if (text === null || !/^\d{1,10}$/.test(text)) return this.#number
    return Math.min(this.#maximum, Math.max(this.#number, Number(text)))
  }
}

/** What a policy says to all its rules. */
export interface PolicyAnswers {
  readonly headers: HeaderStyle
  readonly problemJson: boolean
  readonly ruleHeader: boolean
}

export function answersOf({ spec: { response } }: PolicySettings): PolicyAnswers {
  return {
    headers: response?.headers ?? 'draft-03',
    problemJson: response?.problemJson === true,
    ruleHeader: response?.ruleHeader === true,
  }
}

const DEFAULT_MAX_WAIT_MS = 2000
const DEFAULT_MAX_WAITING = 100

/** null: nobody waits. */
export function queueOf(spec: QueueSpec | undefined): QueueSettings | null {
  if (spec === undefined) return null
  return {
    maxWaitMs: parseDurationMs(spec.maxWait ?? '') ?? DEFAULT_MAX_WAIT_MS,
    maxRequests: spec.maxRequests ?? DEFAULT_MAX_WAITING,
  }
}

export interface RuleTrace {
  /** The condition that fails, or null: the rule applies. */
  readonly failure: string | null
  readonly values: readonly string[]
}

/** One rule of a RateLimitPolicy. Shared by all routes of the policy. */
export class PolicyRule {
  readonly name: string
  /** `namespace/policy/rule` */
  readonly label: string
  readonly shadow: boolean
  readonly onFailure: OnFailure
  /** Requests that do not fit wait here; null: they are refused. */
  readonly queue: QueueSettings | null
  readonly answers: PolicyAnswers
  readonly timeoutMs: number
  readonly stats: RuleStats
  readonly quotas: readonly NamedQuota[]
  readonly #policy: string
  readonly #sharedKeys: readonly string[]
  readonly #conditions: readonly PolicyCondition[]
  readonly #cost: Cost

  constructor(
    policy: PolicySettings,
    spec: RuleSpec,
    conditions: readonly PolicyCondition[],
    stats: RateLimitStats,
  ) {
    const { namespace, name, spec: shared } = policy
    this.#policy = `${namespace}/${name}`
    this.name = spec.name ?? ''
    this.label = `${this.#policy}/${this.name}`
    this.shadow = spec.shadow === true
    this.onFailure = shared.onFailure ?? 'local'
    this.answers = answersOf(policy)
    this.queue = this.shadow ? null : queueOf(spec.queue)
    this.timeoutMs = Math.ceil(parseDurationMs(shared.timeout ?? '') ?? DEFAULT_TIMEOUT_MS)
    this.stats = stats.rule(this.#policy, this.name)
    this.quotas = quotasOf(this.name, spec.limits ?? [], shared.algorithm ?? 'gcra')
    this.#sharedKeys = this.quotas.map(({ quota, algorithm }) =>
      this.#key(quota, algorithm, [this.name]),
    )
    this.#conditions = conditions
    this.#cost = new Cost(spec.cost ?? {})
  }

  /** Adds a check for each limit when the rule applies to the request. */
  check(exchange: FilterExchange, checks: LimitCheck[]): void {
    const values: string[] = [this.name]
    for (const condition of this.#conditions) if (!condition.append(exchange, values)) return
    const cost = this.#cost.of(exchange)
    // A rule without distinct values has one counter per limit: named once.
    const isShared = values.length === 1
    for (let i = 0; i < this.quotas.length; i++) {
      const { quota, algorithm } = this.quotas[i]!
      const key = isShared ? this.#sharedKeys[i]! : this.#key(quota, algorithm, values)
      checks.push(new LimitCheck(key, quota, cost, !this.shadow))
    }
  }

  /** Names of the values that tell its counters apart, in order; empty: it has one for each limit. */
  get distinctNames(): readonly string[] {
    return this.#conditions.map(({ distinctName }) => distinctName).filter((name) => name !== null)
  }

  /** As `check`, for people: the condition that does not hold, and distinct values as far as read. */
  trace(exchange: FilterExchange): RuleTrace {
    const values: string[] = []
    for (const condition of this.#conditions) {
      if (!condition.append(exchange, values)) return { failure: condition.text, values }
    }
    return { failure: null, values }
  }

  /** The counters of distinct values, given by name; null: one is missing, or no request has it. */
  countersOf(given: ReadonlyMap<string, string>): readonly LimitCheck[] | null {
    const values: string[] = [this.name]
    for (const condition of this.#conditions) {
      if (condition.distinctName === null) continue
      const value = condition.distinctValue(given.get(condition.distinctName) ?? '')
      if (value === null || !given.has(condition.distinctName)) return null
      values.push(value)
    }
    return this.quotas.map(
      ({ quota, algorithm }) =>
        new LimitCheck(this.#key(quota, algorithm, values), quota, 1, !this.shadow),
    )
  }

  #key({ periodMs }: Quota, algorithm: AlgorithmName, values: readonly string[]): string {
    return counterKey(`RateLimitPolicy ${algorithm} ${this.#policy}`, values, periodMs / 1000)
  }
}

function quotasOf(
  rule: string,
  limits: readonly LimitSpec[],
  inherited: AlgorithmName,
): readonly NamedQuota[] {
  return limits.map((limit) => {
    const { requests = 1, per = '1s', algorithm = inherited } = limit
    const periodMs = parseDurationMs(per) ?? 1000
    const burst = algorithm === 'gcra' ? (limit.burst ?? requests) : requests
    const lease = limit.lease?.maximum ?? 0
    const quota = { algorithm: ALGORITHMS[algorithm], limit: requests, periodMs, burst, lease }
    return { quota, algorithm, label: limits.length === 1 ? rule : `${rule}-${per}` }
  })
}

/** The rules of a policy; those that cannot be compiled are told to `failed` and left out. */
export function compileRules(
  policy: PolicySettings,
  context: FilterCompileContext,
  stats: RateLimitStats,
  failed: (path: readonly (string | number)[], reason: string) => void,
): readonly PolicyRule[] {
  const rules: PolicyRule[] = []
  for (const [index, spec] of (policy.spec.rules ?? []).entries()) {
    const conditions = compileConditions(spec.match ?? {}, context)
    if (typeof conditions === 'string') failed(['rules', index, 'match'], conditions)
    else rules.push(new PolicyRule(policy, spec, conditions, stats))
  }
  return rules
}

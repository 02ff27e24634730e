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
  RuleSpec,
} from './policy-settings.ts'
import type { RateLimitStats, RuleStats } from './stats.ts'

const ALGORITHMS = {
  gcra: GCRA,
  fixedWindow: FIXED_WINDOW,
  slidingWindow: SLIDING_WINDOW,
} as const

/** As Envoy's filter: a limiter that takes longer is worse than none. */
const DEFAULT_TIMEOUT_MS = 20

/** A limit of a rule, under the name that answers give it. */
interface NamedQuota {
  readonly quota: Quota
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

/** One rule of a RateLimitPolicy. Shared by all routes of the policy. */
export class PolicyRule {
  readonly name: string
  /** `namespace/policy/rule` */
  readonly label: string
  readonly shadow: boolean
  readonly onFailure: OnFailure
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
    this.answers = {
      headers: shared.response?.headers ?? 'draft-03',
      problemJson: shared.response?.problemJson === true,
      ruleHeader: shared.response?.ruleHeader === true,
    }
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
    const quota = { algorithm: ALGORITHMS[algorithm], limit: requests, periodMs, burst }
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

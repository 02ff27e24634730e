import { parseDurationMs } from '../../src/base/duration.ts'
import { answersOf, type PolicyAnswers, queueOf } from './policy-rule.ts'
import type { PolicySettings } from './policy-settings.ts'
import type { RateLimitStats, RuleStats } from './stats.ts'
import type { CounterStore } from './counter-store.ts'
import { UpstreamGates } from './upstream-gates.ts'
import type { QueueSettings } from './waiting-room.ts'

/** Stands for a rule in metrics: no rule can be called so. */
const RULE = '(upstream)'

const DEFAULT_MAX_DELAY_MS = 300_000

/** `upstream` of a RateLimitPolicy: its hosts are asked again when they say so. */
export class PolicyUpstream {
  /** `namespace/policy/(upstream)` */
  readonly label: string
  readonly answers: PolicyAnswers
  readonly queue: QueueSettings | null
  readonly stats: RuleStats
  readonly gates: UpstreamGates

  constructor(label: string, policy: PolicySettings, stats: RuleStats, gates: UpstreamGates) {
    this.label = label
    this.answers = answersOf(policy)
    this.queue = queueOf(policy.spec.upstream?.queue)
    this.stats = stats
    this.gates = gates
  }
}

/** The gates of all policies: what upstreams said outlives configuration changes. */
export class PolicyUpstreams {
  readonly #store: CounterStore | null
  readonly #stats: RateLimitStats
  readonly #gates = new Map<string, UpstreamGates>()

  /** `store` shares what is known; null: this process is alone. */
  constructor(store: CounterStore | null, stats: RateLimitStats) {
    this.#store = store
    this.#stats = stats
  }

  /** null: the policy does not ask for it. */
  compile(policy: PolicySettings): PolicyUpstream | null {
    const { namespace, name, spec } = policy
    if (spec.upstream?.obey !== true) return null
    const id = `${namespace}/${name}`
    const stats = this.#stats.rule(id, RULE)
    const maxDelayMs = parseDurationMs(spec.upstream.maxDelay ?? '') ?? DEFAULT_MAX_DELAY_MS
    let gates = this.#gates.get(id)
    if (gates === undefined) {
      gates = new UpstreamGates(id, this.#store, stats, maxDelayMs)
      this.#gates.set(id, gates)
    }
    gates.maxDelayMs = maxDelayMs
    return new PolicyUpstream(`${id}/${RULE}`, policy, stats, gates)
  }
}

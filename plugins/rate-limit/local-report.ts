import type { LimitReport, ReportedRule } from '../../src/filters/limit-report.ts'
import {
  type CounterSelection,
  NOT_SELECTED,
  oneForEach,
  type SelectedCounter,
  type SelectedCounters,
} from './counter-selection.ts'
import type { LimitQuestion } from './filter-report.ts'
import type { LimitCheck } from './limit-check.ts'
import {
  bucketCheck,
  type BucketTaker,
  matchesDescriptor,
  takeFromBuckets,
} from './local-buckets.ts'
import type { LocalDescriptor } from './local-config.ts'
import type { LocalPlan } from './local-filter.ts'
import { literal } from './literal.ts'
import { capacity, decisionOf, pairsOf, reportLimit, shareNotes } from './reported-limit.ts'

/** Looks at buckets, in the order in which a request would take of them. */
class LookingTaker implements BucketTaker {
  readonly rules: ReportedRule[] = []
  /** Entries that a bucket was asked for. */
  readonly taken: string[] = []
  readonly #plan: LocalPlan
  readonly #look: boolean

  constructor(plan: LocalPlan, look: boolean) {
    this.#plan = plan
    this.#look = look
  }

  take(check: LimitCheck, descriptor: LocalDescriptor | null, entries: readonly string[]): void {
    const { store, counts, origin } = this.#plan
    if (this.#look) store.lookNow([check])
    this.taken.push(entriesText(entries))
    this.rules.push({
      policy: counts.policy,
      rule: descriptor === null ? 'local' : 'local descriptor',
      origin,
      entries: pairsOf(entries),
      applies: true,
      reason: null,
      shadow: descriptor?.shadowMode ?? false,
      limitOrigin: null,
      limitLine: null,
      limits: [reportLimit(check, this.#look)],
    })
  }
}

/** Envoy's local rate limit held against a request: the walk of the data path, charging nothing. */
export function reportLocal(
  filter: string,
  plan: LocalPlan,
  { exchange, look }: LimitQuestion,
): Promise<LimitReport> {
  const { config, counts } = plan
  const taker = new LookingTaker(plan, look)
  const checks = takeFromBuckets(plan, exchange, taker)
  // Without descriptors the filter makes nothing of entries.
  const described = config.descriptors.length === 0 ? [] : config.rules
  const missed = described.flatMap((rule): ReportedRule[] => {
    const { entries, failure } = rule.trace(exchange)
    const reason = failure ?? whyNotTaken(plan, entries, taker)
    if (reason === null) return []
    return [
      {
        policy: counts.policy,
        rule: null,
        origin: rule.origin,
        entries: pairsOf(entries),
        applies: false,
        reason,
        shadow: false,
        limitOrigin: null,
        limitLine: null,
        limits: [],
      },
    ]
  })
  const notes = shareNotes(config.enabled.share, config.enforced.share)
  notes.push('the buckets are those of this process')
  if (config.perConnection)
    notes.push('every connection has buckets of its own: shown are new ones')
  const refuses = (checks.at(-1)?.over ?? false) && config.enforced.share > 0
  return Promise.resolve({
    filter,
    kind: 'local',
    notes,
    rules: [...missed, ...taker.rules],
    ...decisionOf(refuses, look, config.status),
  })
}

/** Why no bucket was asked for these entries, or null: one was. */
function whyNotTaken(
  { config }: LocalPlan,
  entries: readonly string[],
  { taken }: LookingTaker,
): string | null {
  if (taken.includes(entriesText(entries))) return null
  return config.descriptors.some((descriptor) => matchesDescriptor(descriptor, entries))
    ? 'not asked: a bucket before it has too little'
    : 'no descriptor of the filter has exactly these entries'
}

function entriesText(entries: readonly string[]): string {
  return JSON.stringify(entries)
}

const PER_CONNECTION = 'every connection has buckets of its own: they end with it'

/** The buckets of a message: the default one, and those of descriptors that have only one. */
export function localCounters(
  { config, counts, identity }: LocalPlan,
  { policy, rule, entries }: CounterSelection,
): SelectedCounters {
  if (counts.policy !== policy || (rule !== null && rule !== counts.rule)) return NOT_SELECTED
  const rules = [counts.rule]
  const refused = (reason: string): SelectedCounters => {
    return { rules, counters: [], unnamed: [{ rule: counts.rule, reason }] }
  }
  if (config.perConnection) return refused(PER_CONNECTION)
  const bucket = (
    named: readonly string[],
    limit: Pick<LocalDescriptor, 'quota'>,
  ): SelectedCounter => {
    return { rule: counts.rule, check: bucketCheck(identity, named, limit, 1), local: true }
  }
  const given = entries.flat().map(literal)
  if (given.length > 0) {
    const found = config.descriptors.filter((one) => matchesDescriptor(one, given))
    if (found.length === 0) return refused('no descriptor of the filter has these entries')
    return { rules, counters: found.map((one) => bucket(given, one)), unnamed: [] }
  }
  const single = config.descriptors.filter((one) => !isOpen(one))
  const several = config.descriptors.some(isOpen)
  return {
    rules,
    counters: [bucket([], config), ...single.map((one) => bucket(one.entries, one))],
    unnamed: several ? [{ rule: counts.rule, reason: oneForEach('value of a descriptor') }] : [],
  }
}

/** Some value of it stands for any. */
function isOpen({ entries }: LocalDescriptor): boolean {
  return entries.some((part, index) => index % 2 === 1 && part === '')
}

/** Settings of the filter on one route, for people. */
export function describeLocal({ config, counts }: LocalPlan): Readonly<Record<string, unknown>> {
  const { quota, descriptors, enabled, enforced, perConnection } = config
  return {
    policy: counts.policy,
    tokens: capacity(quota),
    requests: quota.limit,
    periodMs: quota.periodMs,
    descriptors: descriptors.map((one) => pairsOf(one.entries).map((pair) => pair.join('='))),
    perConnection,
    enabled: enabled.share,
    enforced: enforced.share,
  }
}

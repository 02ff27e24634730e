import type { FilterExchange } from '../../src/filters/filter.ts'
import { counterKey } from './counter-key.ts'
import type { DescriptorRule } from './descriptors.ts'
import { LimitCheck, type Quota } from './limit-check.ts'
import type { LocalDescriptor } from './local-config.ts'
import type { LocalPlan } from './local-filter.ts'

/** Asks a bucket, or only looks at it. */
export interface BucketTaker {
  /** Answers the check. `descriptor` null: the default bucket. */
  take(check: LimitCheck, descriptor: LocalDescriptor | null, entries: readonly string[]): void
}

/** Takes of each matching bucket, slowest first, until one has too little: that is the last one. */
export function takeFromBuckets(
  plan: LocalPlan,
  exchange: FilterExchange,
  taker: BucketTaker,
): readonly LimitCheck[] {
  const { config } = plan
  const checks: LimitCheck[] = []
  const described = describeAll(config.rules, exchange)
  const owner = bucketOwner(plan, exchange)
  let matched = false
  for (const descriptor of config.descriptors) {
    for (const { entries, hits } of described) {
      if (!matchesDescriptor(descriptor, entries)) continue
      matched = true
      const check = bucketCheck(owner, entries, descriptor, hits)
      taker.take(check, descriptor, entries)
      if (check.over && descriptor.shadowMode) continue
      checks.push(check)
      if (check.over) return checks
    }
  }
  if (!matched || config.alwaysConsumeDefault) {
    const check = bucketCheck(owner, NO_ENTRIES, config, 1)
    taker.take(check, null, NO_ENTRIES)
    checks.push(check)
  }
  // Only shadows matched: they let everybody pass.
  if (checks.length === 0) checks.push(new LimitCheck('', config.quota, 0, false))
  return checks
}

function bucketOwner(
  { identity, config, connections }: LocalPlan,
  { connection }: FilterExchange,
): string {
  return config.perConnection ? `${identity} ${connections.numberOf(connection)}` : identity
}

/** A descriptor, or the message itself. */
interface BucketLimit {
  readonly quota: Quota
  readonly shadowMode?: boolean
}

/** A bucket of `owner`: that of a descriptor's entries, or without any the default one. */
export function bucketCheck(
  owner: string,
  entries: readonly string[],
  { quota, shadowMode = false }: BucketLimit,
  hits: number,
): LimitCheck {
  const parts = [String(entries.length), ...entries]
  const key = counterKey(`local ${owner}`, parts, quota.periodMs / 1000)
  return new LimitCheck(key, quota, hits, !shadowMode)
}

interface Described {
  readonly entries: readonly string[]
  readonly hits: number
}

const NO_ENTRIES: readonly string[] = []
const NOTHING: readonly Described[] = []

function describeAll(
  rules: readonly DescriptorRule[],
  exchange: FilterExchange,
): readonly Described[] {
  if (rules.length === 0) return NOTHING
  const described: Described[] = []
  for (const rule of rules) {
    const entries = rule.describe(exchange)
    if (entries !== null) described.push({ entries, hits: rule.hits })
  }
  return described
}

/** Same length, order, keys and values. */
export function matchesDescriptor(
  descriptor: LocalDescriptor,
  entries: readonly string[],
): boolean {
  const wanted = descriptor.entries
  if (wanted.length !== entries.length) return false
  for (let i = 0; i < wanted.length; i += 2) {
    if (wanted[i] !== entries[i]) return false
    if (wanted[i + 1] !== '' && wanted[i + 1] !== entries[i + 1]) return false
  }
  return true
}

import type { FilterExchange } from '../../src/filters/filter.ts'
import { counterKey } from './counter-key.ts'
import type { CounterStore } from './counter-store.ts'
import type { DescriptorRule } from './descriptors.ts'
import { type DescriptorNode, matchDescriptor } from './descriptor-tree.ts'
import type { Limit } from './limit.ts'
import { windowKey } from './window-key.ts'

/** A limit that one descriptor of a request reaches. */
export interface MatchedLimit {
  readonly rule: DescriptorRule
  readonly limit: Limit
  /** They identify the counter: values that are shared have taken the place of the request's. */
  readonly entries: readonly string[]
}

/** The limits that a request reaches, in the order of the rules. */
export function matchLimits(
  rules: readonly DescriptorRule[],
  root: DescriptorNode,
  exchange: FilterExchange,
): readonly MatchedLimit[] {
  const matched: MatchedLimit[] = []
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!
    const entries = rule.describe(exchange)
    if (entries === null) continue
    const limit = matchDescriptor(root, entries)
    if (limit !== null) matched.push({ rule, limit, entries })
  }
  return matched
}

/** Another limit of the same request takes its place. */
export function isReplaced(limit: Limit, matched: readonly MatchedLimit[]): boolean {
  if (limit.name === '') return false
  for (let i = 0; i < matched.length; i++) {
    const { replaces } = matched[i]!.limit
    if (replaces.length > 0 && replaces.includes(limit.name)) return true
  }
  return false
}

/** Names the counter that `entries` have at a limit. */
export function limitKey(
  { domain, store }: { readonly domain: string; readonly store: Pick<CounterStore, 'envoyKeys'> },
  entries: readonly string[],
  { quota }: Limit,
): string {
  return store.envoyKeys
    ? windowKey(domain, entries)
    : counterKey(domain, entries, quota.periodMs / 1000)
}

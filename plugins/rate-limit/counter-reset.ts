import { closest } from '../../src/base/closest.ts'
import type { Filter } from '../../src/filters/filter.ts'
import {
  type LimitReset,
  type LimitResetOutcome,
  LimitResetProblem,
} from '../../src/filters/limit-report.ts'
import {
  type CounterOwner,
  isCounterOwner,
  type SelectedCounter,
  type SelectedCounters,
} from './counter-selection.ts'
import type { HotKeys } from './hot-keys.ts'
import type { CounterPlaces } from './hot-limits.ts'
import { fixedQuota } from './limit.ts'
import { LimitCheck } from './limit-check.ts'
import { literal } from './literal.ts'

/** Counters that one call forgets: what Redis does in a few milliseconds. */
const MAX_COUNTERS = 1000

/** A hashed name. Others (`replicas`) are no counters. */
const HASHED = /^[\w-]{22}$/

/** Where counters are, and who knows their names. */
export interface ResetWorld extends CounterPlaces {
  readonly hot: HotKeys
  /** All filters in force. */
  readonly filters: readonly Filter[]
  /** How long other replicas may deny from memory; null: there are none that share counters. */
  readonly recheckMs: number | null
}

interface Named {
  readonly counters: readonly SelectedCounter[]
  readonly skipped: SelectedCounters['unnamed']
}

/** Forgets the counters that are named, and no others: it never looks for keys in Redis. */
export async function resetLimits(
  world: ResetWorld,
  asked: LimitReset,
): Promise<LimitResetOutcome | LimitResetProblem> {
  const named = asked.key === null ? nameCounters(world, asked) : nameKey(world, asked, asked.key)
  if (named instanceof LimitResetProblem) return named
  const { counters, skipped } = named
  if (counters.length > MAX_COUNTERS) {
    const message = `that is ${counters.length} counters, and one call resets at most ${MAX_COUNTERS}`
    return new LimitResetProblem('wrong', message, 'name a rule, or the values of one counter')
  }
  const reset = await forget(world, counters)
  if (reset === null) {
    const hint = 'see GET /ratelimit for the state of the store, and ask again'
    return new LimitResetProblem(
      'away',
      'Redis does not answer: its counters may be as before',
      hint,
    )
  }
  return {
    counters: counters.length,
    reset,
    keys: counters.map(({ check }) => check.key),
    skipped,
    othersRecheckMs: counters.every(({ local }) => local) ? null : world.recheckMs,
  }
}

async function forget(
  { store, memory }: CounterPlaces,
  counters: readonly SelectedCounter[],
): Promise<number | null> {
  const all = counters.map(({ check }) => check)
  const shared = counters.filter(({ local }) => !local).map(({ check }) => check)
  // Also what was counted here while Redis was away.
  const here = await memory.forget(all)
  if (shared.length === 0 || store.forget === undefined) return here
  const there = await store.forget(shared)
  return there === null ? null : here + there
}

function nameKey({ hot }: ResetWorld, asked: LimitReset, name: string): Named | LimitResetProblem {
  const { policy, domain, rule, entries } = asked
  if (policy !== null || domain !== null || rule !== null || entries.length > 0 || asked.hot) {
    const hint = 'leave policy, domain, rule, entries and hot out'
    return new LimitResetProblem('wrong', 'a key names one counter by itself', hint)
  }
  const key = literal(name)
  const known = hot.watched().find((one) => one.key === key)
  if (known === undefined && !HASHED.test(key)) {
    const hint = 'take it from tidegate limit top, or from tidegate limit explain -o json'
    return new LimitResetProblem('wrong', `"${name}" is not the name of a counter`, hint)
  }
  const quota = known?.quota ?? fixedQuota(1, 1)
  const check = new LimitCheck(key, quota, 1, true)
  const local = known?.rule.kind === 'local'
  return { counters: [{ rule: known?.rule.rule ?? '', check, local }], skipped: [] }
}

function nameCounters(world: ResetWorld, asked: LimitReset): Named | LimitResetProblem {
  const { policy, domain, rule, entries } = asked
  const owner = policy ?? domain
  if (owner === null || (policy !== null && domain !== null)) {
    const hint = 'name one of policy (namespace/name), domain (of a descriptor file) and key'
    return new LimitResetProblem('wrong', 'it is not said whose counters are meant', hint)
  }
  const counters = new Map<string, SelectedCounter>()
  const skipped = new Map<string, SelectedCounters['unnamed'][number]>()
  const rules = new Set<string>()
  for (const owning of ownersIn(world.filters)) {
    const found = owning.countersOf(asked)
    for (const one of found.rules) rules.add(one)
    for (const one of found.counters) counters.set(one.check.key, one)
    for (const one of found.unnamed) skipped.set(one.rule, one)
  }
  // Also those of domains that only others ask about.
  if (asked.hot) addHot(world.hot, asked, owner, counters)
  if (rules.size === 0 && counters.size === 0) return unknownOwner(world, asked, owner)
  if (rule !== null && !rules.has(rule) && counters.size === 0) {
    const near = closest(rule, [...rules])
    const hint = near === null ? `it has ${[...rules].join(', ')}` : `did you mean "${near}"?`
    return new LimitResetProblem('unknown', `${owner} has no rule "${rule}"`, hint)
  }
  // Entries say which rules are meant: the others are no omission.
  const left = entries.length > 0 && counters.size > 0 ? [] : [...skipped.values()]
  if (counters.size === 0 && left.length > 0 && !asked.hot) return refusal(left)
  return { counters: [...counters.values()], skipped: left }
}

function ownersIn(filters: readonly Filter[]): readonly CounterOwner[] {
  const bySource = new Map<object, CounterOwner>()
  for (const filter of filters) {
    if (isCounterOwner(filter)) bySource.set(filter.counterSource, filter)
  }
  return [...bySource.values()]
}

function addHot(
  hot: HotKeys,
  { rule }: LimitReset,
  owner: string,
  counters: Map<string, SelectedCounter>,
): void {
  for (const { key, quota, rule: met } of hot.watched()) {
    if (met.policy !== owner || (rule !== null && met.rule !== rule)) continue
    const check = new LimitCheck(key, quota, 1, true)
    counters.set(key, { rule: met.rule, check, local: met.kind === 'local' })
  }
}

function unknownOwner(
  { filters }: ResetWorld,
  { policy }: LimitReset,
  owner: string,
): LimitResetProblem {
  const known = new Set<string>()
  for (const owning of ownersIn(filters)) {
    for (const { kind, name } of owning.counterOwners()) {
      if ((kind === 'domain') === (policy === null)) known.add(name)
    }
  }
  const what = policy === null ? 'domain' : 'policy'
  const near = closest(owner, [...known])
  const list = known.size === 0 ? `no ${what} limits anything` : `known: ${[...known].join(', ')}`
  return new LimitResetProblem(
    'unknown',
    `no limit in force belongs to ${what} "${owner}"`,
    near === null ? list : `did you mean "${near}"?`,
  )
}

function refusal(skipped: Named['skipped']): LimitResetProblem {
  const reasons = skipped.map(({ rule, reason }) => (rule === '' ? reason : `${rule}: ${reason}`))
  return new LimitResetProblem(
    'wrong',
    `no counter can be told: ${reasons.join('; ')}`,
    'name one by its values (entry) or its name (key), or take those met near or over the limit (hot)',
  )
}

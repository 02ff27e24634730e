import type { LimitCheck } from './limit-check.ts'

/** Counters as a person names them. One of `policy` and `domain` is given. */
export interface CounterSelection {
  /** `namespace/name` of a RateLimitPolicy, or of the EnvoyFilter of a local limit. */
  readonly policy: string | null
  /** Domain of a descriptor file. */
  readonly domain: string | null
  /** null: all of them. */
  readonly rule: string | null
  /** Which counter of a rule that has one for each value; empty: none is named. */
  readonly entries: readonly (readonly [key: string, value: string])[]
}

export interface SelectedCounter {
  readonly rule: string
  /** Its key and quota are what counts. */
  readonly check: LimitCheck
  /** Counted in this process, whatever store there is. */
  readonly local: boolean
}

/** What a filter makes of a selection. */
export interface SelectedCounters {
  /** Rules of the policy or domain; empty: it is not this filter's. */
  readonly rules: readonly string[]
  readonly counters: readonly SelectedCounter[]
  /** Rules that were meant, and why their counters cannot be told. */
  readonly unnamed: readonly { readonly rule: string; readonly reason: string }[]
}

export const NOT_SELECTED: SelectedCounters = { rules: [], counters: [], unnamed: [] }

export interface CounterOwnerName {
  readonly kind: 'policy' | 'domain'
  readonly name: string
}

/** A filter with counters. */
export interface CounterOwner {
  /** Owners with the same source have the same counters: one of them is asked. */
  readonly counterSource: object
  /** Policies and domains that its counters belong to. */
  counterOwners(): readonly CounterOwnerName[]
  countersOf(selection: CounterSelection): SelectedCounters
}

export function isCounterOwner(filter: object): filter is CounterOwner {
  return 'countersOf' in filter
}

/** Keys are hashes of the values: which of them belong to a rule cannot be read from them. */
export function oneForEach(what: string): string {
  return `it has one counter for each ${what}, and their names are hashes: name the values`
}

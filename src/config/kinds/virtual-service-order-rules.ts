import type { Place } from './place.ts'
import { matchCovers } from './match-coverage.ts'
import type { HttpMatchSpec, HttpRouteSpec } from './virtual-service.ts'

/** Entries are compared pairwise; rules behind this many match entries are not judged. */
const MAX_COMPARED_MATCHES = 1000

interface Entry {
  readonly rule: number
  /** null: the rule has no match list. */
  readonly index: number | null
  readonly match: HttpMatchSpec
  /** What it takes from later rules is known only with the delegate's rules. */
  readonly delegated: boolean
}

/** Rules of one VirtualService that an earlier rule leaves no request for, and repeated names. */
export function checkRuleOrder(
  place: Place,
  rules: readonly HttpRouteSpec[],
  gateways: readonly string[],
): void {
  const entries: Entry[] = []
  for (const [rule, { match = [], delegate }] of rules.entries()) {
    const delegated = delegate !== undefined
    if (match.length === 0) entries.push({ rule, index: null, match: {}, delegated })
    for (const [index, entry] of match.entries())
      entries.push({ rule, index, match: entry, delegated })
  }
  const compared = entries.slice(0, MAX_COMPARED_MATCHES)
  const hidden = new Map<Entry, Entry>()
  for (const [position, later] of compared.entries()) {
    const earlier = compared
      .slice(0, position)
      .find((entry) => !entry.delegated && matchCovers(entry.match, later.match, gateways))
    if (earlier !== undefined) hidden.set(later, earlier)
  }
  for (const [rule] of rules.entries()) {
    reportHidden(
      place,
      rules,
      compared.filter((entry) => entry.rule === rule),
      hidden,
    )
  }
  checkRouteNames(place, rules)
}

function reportHidden(
  place: Place,
  rules: readonly HttpRouteSpec[],
  own: readonly Entry[],
  hidden: ReadonlyMap<Entry, Entry>,
): void {
  const first = own[0]
  if (first === undefined) return
  const whole = own.every((entry) => (hidden.get(entry)?.rule ?? first.rule) !== first.rule)
  if (whole) {
    const by = hidden.get(first)
    if (by === undefined) return
    place
      .at('http', first.rule)
      .warning(
        'unreachable-rule',
        `${describe(rules, first.rule)} is not used since every request it matches is taken by ` +
          `${describeEntry(rules, by)}`,
        'rules are tried in order and the first match wins: move the narrower rule up',
      )
    return
  }
  for (const entry of own) {
    const by = hidden.get(entry)
    if (by === undefined || entry.index === null) continue
    place
      .at('http', entry.rule, 'match', entry.index)
      .warning(
        'unreachable-match',
        `match ${entry.index} of ${describe(rules, entry.rule)} is not used since every request ` +
          `it matches is taken by ${describeEntry(rules, by)}`,
        'remove it, or move it up',
      )
  }
}

function describe(rules: readonly HttpRouteSpec[], rule: number): string {
  const name = rules[rule]?.name
  return name === undefined || name === '' ? `http[${rule}]` : `http[${rule}] ("${name}")`
}

function describeEntry(rules: readonly HttpRouteSpec[], entry: Entry): string {
  const rule = describe(rules, entry.rule)
  return entry.index === null
    ? `${rule}, which matches everything`
    : `match ${entry.index} of ${rule}`
}

function checkRouteNames(place: Place, rules: readonly HttpRouteSpec[]): void {
  const seen = new Map<string, number>()
  for (const [index, { name }] of rules.entries()) {
    if (name === undefined || name === '') continue
    const earlier = seen.get(name)
    if (earlier === undefined) seen.set(name, index)
    else {
      place
        .at('http', index, 'name')
        .warning(
          'duplicate-route-name',
          `route name "${name}" is already used by http[${earlier}]`,
          'names tell routes apart in logs and EnvoyFilters',
        )
    }
  }
}

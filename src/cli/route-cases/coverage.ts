import type { ResourceSet } from '../../config/resource-set.ts'
import type { Place } from '../../explain/explanation.ts'
import { placeOf, placeOfOrigin } from '../../explain/resource-places.ts'
import type { VirtualHost } from '../../routing/virtual-host.ts'
import { egressTablesOf } from '../../snapshot/egress-plan.ts'
import type { Snapshot } from '../../snapshot/snapshot.ts'

/** Which rules of VirtualServices the cases reached: a rule is one match entry, or a rule without any. */
export interface Coverage {
  readonly rules: number
  readonly covered: number
  /** 0 to 100, one decimal; 100 where there are no rules. */
  readonly percent: number
  /** Rules that a request can reach and no case does. */
  readonly uncovered: readonly Place[]
  /** Rules that stand in no route table: no request can reach them here. */
  readonly unserved: readonly Place[]
}

/** Adds up over case files; the same rule of the same file counts once. */
export class CoverageCount {
  readonly #rules = new Map<string, Place>()
  readonly #unserved = new Map<string, Place>()
  readonly #reached = new Set<string>()

  /** The rules of a configuration that was asked. */
  addConfiguration(snapshot: Snapshot, set: ResourceSet): void {
    for (const virtualHost of virtualHostsOf(snapshot)) {
      for (const { origin } of virtualHost.routes) {
        if (origin.kind === 'VirtualService') this.#rules.set(keyOf(origin), placeOfOrigin(origin))
      }
    }
    for (const place of writtenRules(set)) this.#unserved.set(keyOf(place), place)
  }

  reached(place: Place): void {
    this.#reached.add(keyOf(place))
  }

  result(): Coverage {
    const rules = [...this.#rules]
    const uncovered = rules.filter(([key]) => !this.#reached.has(key)).map(([, place]) => place)
    const served = new Set(rules.map(([, place]) => keyOf(wholeRule(place))))
    const unserved = [...this.#unserved].filter(([key]) => !served.has(key))
    const covered = rules.length - uncovered.length
    return {
      rules: rules.length,
      covered,
      percent: percentOf(covered, rules.length),
      uncovered: inOrder(uncovered),
      unserved: inOrder(unserved.map(([, place]) => place)),
    }
  }
}

const PERCENT = 100
const TENTHS = 10

/** Rounded down: 100 means all. */
function percentOf(covered: number, rules: number): number {
  if (rules === 0) return PERCENT
  return Math.floor((covered * PERCENT * TENTHS) / rules) / TENTHS
}

function keyOf({ kind, namespace, name, path, file }: Place): string {
  return [file ?? '', kind, namespace, name, path].join('\n')
}

/** `spec.http[0]` of `spec.http[0].match[1]`. */
function wholeRule(place: Place): Place {
  return { ...place, path: place.path.replace(/\.match\[\d+\]$/, '') }
}

function inOrder(places: readonly Place[]): readonly Place[] {
  return places.toSorted(
    (a, b) => compare(a.file ?? '', b.file ?? '') || (a.line ?? 0) - (b.line ?? 0),
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function virtualHostsOf({ listeners, egress }: Snapshot): ReadonlySet<VirtualHost> {
  const tables = listeners.flatMap(({ accept }) => {
    if (accept.type === 'http') return [accept.http.hosts]
    return accept.type === 'tls' ? accept.chains.all.map(({ http }) => http.hosts) : []
  })
  const found = new Set<VirtualHost>()
  const seen = egressTablesOf(egress)
  for (const table of [...tables, ...seen.flatMap(({ http }) => [...http.values()])]) {
    for (const [, virtualHost] of table.entries) found.add(virtualHost)
  }
  for (const { virtualHost } of seen.flatMap(({ addresses }) => addresses)) {
    if (virtualHost !== null) found.add(virtualHost)
  }
  return found
}

/** http rules as written, but for those that only delegate: their rules stand elsewhere. */
function writtenRules(set: ResourceSet): readonly Place[] {
  return set.virtualServices.flatMap((service) =>
    (service.spec.http ?? []).flatMap((rule, index) =>
      rule.delegate === undefined ? [placeOf(service, ['spec', 'http', index])] : [],
    ),
  )
}

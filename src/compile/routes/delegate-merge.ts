import { expandHost } from '../../config/hosts.ts'
import type {
  DestinationSpec,
  HttpMatchSpec,
  HttpRouteSpec,
} from '../../config/kinds/virtual-service.ts'
import { joinedName, matchConflict, mergedMatch } from './delegate-match.ts'
import { resolveGatewayName } from './gateway-names.ts'
import type { PlacedMatch, PlacedRule } from './placed-rule.ts'

/** Pairs of match entries one root rule may multiply into. */
export const MAX_MERGED_MATCHES = 10_000

/** Fields that a delegate's rule takes whole from the root's where it has none of its own. */
const INHERITED = [
  'rewrite',
  'directResponse',
  'timeout',
  'retries',
  'fault',
  'mirror',
  'mirrorPercent',
  'mirrorPercentage',
  'mirrors',
  'corsPolicy',
  'headers',
] as const

/** Why a delegate's rule is left out. */
export interface MergeConflict {
  readonly match: PlacedMatch
  /** Field that is not narrower than the root's in the last entry that was compared. */
  readonly field: string
}

/**
 * The delegate's rule as the root's makes it, or the conflict that drops it: each of its match
 * entries must be at least as narrow as some entry of the root. Names of gateways and destinations
 * that come from the root are written out, for they belong to its namespace.
 */
export function mergeRule(
  root: PlacedRule,
  delegate: PlacedRule,
  domain: string,
): PlacedRule | MergeConflict {
  const matches = mergeMatches(withFullNames(root), withFullNames(delegate), delegate)
  if (!Array.isArray(matches)) return matches
  const inherited: Record<string, unknown> = {}
  for (const field of INHERITED) {
    if (root.rule[field] === undefined || delegate.rule[field] !== undefined) continue
    inherited[field] = fullNamed(field, root, domain)
  }
  const name = joinedName(root.rule.name, delegate.rule.name)
  const rule: HttpRouteSpec = { ...delegate.rule, ...inherited, ...(name === '' ? {} : { name }) }
  return { rule, place: delegate.place, matches }
}

function mergeMatches(
  root: readonly PlacedMatch[],
  delegate: readonly PlacedMatch[],
  rule: PlacedRule,
): PlacedMatch[] | MergeConflict {
  if (root.length === 0) return [...delegate]
  // The place says which rule was taken: that is the delegate's.
  if (delegate.length === 0) return root.map(({ spec }) => ({ spec, place: rule.place }))
  const merged: PlacedMatch[] = []
  for (const own of delegate) {
    let field: string | null = null
    let found = false
    for (const outer of root) {
      const conflict = matchConflict(outer.spec, own.spec)
      if (conflict !== null) field = conflict
      else {
        merged.push({ spec: mergedMatch(outer.spec, own.spec), place: own.place })
        found = true
      }
    }
    if (!found) return { match: own, field: field ?? 'match' }
  }
  return merged
}

function withFullNames({ matches }: PlacedRule): readonly PlacedMatch[] {
  return matches.map(({ spec, place }) => ({ spec: fullGateways(spec, place), place }))
}

function fullGateways(spec: HttpMatchSpec, place: PlacedMatch['place']): HttpMatchSpec {
  if (spec.gateways === undefined || spec.gateways.length === 0) return spec
  const { namespace } = place.resource.metadata
  return { ...spec, gateways: spec.gateways.map((name) => resolveGatewayName(name, namespace)) }
}

function fullNamed(field: (typeof INHERITED)[number], root: PlacedRule, domain: string): unknown {
  const { namespace } = root.place.resource.metadata
  const { rule } = root
  if (field === 'mirror') return fullHost(rule.mirror, namespace, domain)
  if (field !== 'mirrors') return rule[field]
  return rule.mirrors?.map(({ destination, ...more }) => ({
    ...more,
    ...(destination === undefined
      ? {}
      : { destination: fullHost(destination, namespace, domain) ?? destination }),
  }))
}

function fullHost(
  destination: DestinationSpec | undefined,
  namespace: string,
  domain: string,
): DestinationSpec | undefined {
  if (destination?.host === undefined) return destination
  return { ...destination, host: expandHost(destination.host, namespace, domain) }
}

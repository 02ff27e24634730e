import { expandHost } from '../../config/hosts.ts'
import type { ExplainedDestination } from '../../explain/explanation.ts'
import type { DestinationExpectation } from './case-schema.ts'

/** Where short host names belong: the namespace of the rule, the cluster domain. */
export interface NameScope {
  readonly namespace: string
  readonly domain: string
}

interface ActualDestination {
  readonly cluster: string
  readonly host: string
  readonly subset: string
  readonly port: number | null
  /** As written; a single destination gets everything. */
  readonly weight: number
}

const ALL = 100

/** The destinations of a split as a VirtualService writes them. */
export function actualDestinations(
  destinations: readonly ExplainedDestination[],
): readonly ActualDestination[] {
  return destinations.map(({ cluster, weight }) => {
    const [direction, port, subset = '', host] = cluster.split('|')
    const named = direction === 'outbound' && host !== undefined
    return {
      cluster,
      host: named ? host : cluster,
      subset: named ? subset : '',
      port: named ? Number(port) : null,
      weight: destinations.length === 1 ? ALL : weight,
    }
  })
}

/** Does each expected destination stand for one actual, and none is left? The order does not count. */
export function sameDestinations(
  expected: readonly DestinationExpectation[],
  actual: readonly ActualDestination[],
  scope: NameScope,
): boolean {
  if (expected.length !== actual.length) return false
  const takenBy = new Map<ActualDestination, DestinationExpectation>()
  return expected.every((one) => place(one, new Set(), { actual, takenBy, scope }))
}

interface Assignment {
  readonly actual: readonly ActualDestination[]
  readonly takenBy: Map<ActualDestination, DestinationExpectation>
  readonly scope: NameScope
}

/** Loose expectations fit several: one that took the place of another moves on (augmenting path). */
function place(
  wanted: DestinationExpectation,
  seen: Set<ActualDestination>,
  assignment: Assignment,
): boolean {
  const { actual, takenBy, scope } = assignment
  for (const candidate of actual) {
    if (seen.has(candidate) || !fits(wanted, candidate, scope)) continue
    seen.add(candidate)
    const holder = takenBy.get(candidate)
    if (holder !== undefined && !place(holder, seen, assignment)) continue
    takenBy.set(candidate, wanted)
    return true
  }
  return false
}

function fits(
  { host, cluster, subset, port, weight }: DestinationExpectation,
  actual: ActualDestination,
  { namespace, domain }: NameScope,
): boolean {
  return (
    (host === undefined || expandHost(host, namespace, domain) === actual.host) &&
    (cluster === undefined || cluster === actual.cluster) &&
    (subset === undefined || subset === actual.subset) &&
    (port === undefined || port === actual.port) &&
    (weight === undefined || weight === actual.weight)
  )
}

export function expectedText(destinations: readonly DestinationExpectation[]): string {
  return destinations
    .map(({ host, cluster, subset, port, weight }) =>
      parts({ name: cluster ?? host ?? '', subset, port, weight }),
    )
    .join(', ')
}

export function actualText(destinations: readonly ActualDestination[]): string {
  if (destinations.length === 0) return 'no destination'
  return destinations
    .map(({ host, subset, port, weight }) =>
      parts({ name: host, subset: subset === '' ? undefined : subset, port, weight }),
    )
    .join(', ')
}

function parts(one: {
  readonly name: string
  readonly subset: string | undefined
  readonly port: number | null | undefined
  readonly weight: number | undefined
}): string {
  const words = [one.name]
  if (one.port !== undefined && one.port !== null) words.push(`port ${one.port}`)
  if (one.subset !== undefined) words.push(one.subset === '' ? 'no subset' : `subset ${one.subset}`)
  if (one.weight !== undefined) words.push(`weight ${one.weight}`)
  return words.join(' ')
}

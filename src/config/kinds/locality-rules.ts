import type { TrafficPolicySpec } from './destination-rule.ts'
import type { Place } from './place.ts'

type LocalitySpec = NonNullable<NonNullable<TrafficPolicySpec['loadBalancer']>['localityLbSetting']>

const FULL_WEIGHT = 100

/** `loadBalancer.localityLbSetting` */
export function checkLocality(
  place: Place,
  locality: LocalitySpec,
  hasOutlierDetection: boolean,
): void {
  const distribute = locality.distribute ?? []
  const failover = locality.failover ?? []
  const priority = locality.failoverPriority ?? []
  if (distribute.length > 0 && failover.length > 0) {
    place.error(
      'conflicting-fields',
      "can not simultaneously specify 'distribute' and 'failover'",
      'remove one of the two',
    )
  }
  if (distribute.length > 0 && priority.length > 0) {
    place.error(
      'conflicting-fields',
      "can not simultaneously specify 'distribute' and 'failoverPriority'",
    )
  }
  if (failover.length > 0) checkFailoverPriority(place, priority)
  checkDistribute(place, distribute)
  checkFailover(place, failover)
  if (failover.length + priority.length > 0 && !hasOutlierDetection) {
    place.warning(
      'failover-without-outlier-detection',
      'outlier detection policy must be provided for failover',
      'without outlierDetection no endpoint is ever unhealthy: nothing fails over',
    )
  }
}

function checkDistribute(place: Place, entries: NonNullable<LocalitySpec['distribute']>): void {
  const seen: string[] = []
  place.each('distribute', entries, (entry, at) => {
    const from = entry.from ?? ''
    checkOverlap(at.at('from'), from, seen)
    const targets: string[] = []
    let total = 0
    for (const [to, weight] of Object.entries(entry.to ?? {})) {
      checkOverlap(at.at('to', to), to, targets)
      if (weight <= 0 || weight > FULL_WEIGHT) {
        at.at('to', to).error('invalid-weight', 'locality weight must be in range [1, 100]')
      }
      total += weight
    }
    if (total !== FULL_WEIGHT) {
      at.at('to').error('invalid-weight', `total locality weight ${total} != 100`)
    }
  })
}

/** `region/zone/subzone`; a `*` at the end stands for everything below. */
function checkOverlap(place: Place, locality: string, seen: string[]): void {
  const star = locality.indexOf('*')
  if (locality === '') place.error('missing-field', 'locality must not be empty')
  else if (star !== -1 && (star !== locality.length - 1 || !/^(?:.*\/)?\*$/.test(locality))) {
    place.error(
      'invalid-locality',
      `locality "${locality}": a wildcard stands alone or for the last part`,
    )
  }
  const other = seen.find((earlier) => covers(earlier, locality) || covers(locality, earlier))
  if (other !== undefined) {
    place.error('invalid-locality', `locality "${locality}" overlaps with "${other}"`)
  }
  seen.push(locality)
}

function covers(outer: string, inner: string): boolean {
  if (outer.endsWith('*')) return inner.startsWith(outer.slice(0, -1))
  return outer === inner || inner.startsWith(`${outer}/`)
}

/** failover speaks of regions already: priorities beside it may name other labels only. */
const TOPOLOGY_LABELS: readonly string[] = [
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.istio.io/subzone',
]

function checkFailoverPriority(place: Place, priority: readonly string[]): void {
  place.each('failoverPriority', priority, (entry, at) => {
    const label = entry.split('=', 1)[0] ?? ''
    if (!TOPOLOGY_LABELS.includes(label)) return
    at.error(
      'conflicting-fields',
      `can not simultaneously set 'failover' and topology label '${label}' in 'failoverPriority'`,
      'remove one of the two',
    )
  })
}

function checkFailover(place: Place, entries: NonNullable<LocalitySpec['failover']>): void {
  place.each('failover', entries, ({ from = '', to = '' }, at) => {
    if (from === to) {
      at.error('invalid-locality', 'locality lb failover settings must specify different regions')
    }
    for (const [field, region] of [
      ['from', from],
      ['to', to],
    ] as const) {
      if (!/[*/]/.test(region)) continue
      at.at(field).error(
        'invalid-locality',
        `locality lb failover only specifies regions, found "${region}"`,
      )
    }
  })
}

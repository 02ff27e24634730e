import type { Locality } from '../../base/locality.ts'
import type { EndpointPlan } from '../../clusters/plan.ts'
import type { Labels } from '../labels.ts'
import {
  localityFrom,
  REGION_LABEL,
  SUBZONE_LABEL,
  ZONE_LABEL,
} from '../registry/locality-labels.ts'

/**
 * localityLbSetting.failoverPriority: labels in order of importance. The more of the leading ones an
 * endpoint shares with us, the sooner it is used; what follows the first difference counts nothing.
 */
export class FailoverLabels {
  readonly #own: Locality
  readonly #wanted: readonly { readonly label: string; readonly value: string }[]

  /** Each entry is `label`, whose value is our own, or `label=value`. */
  constructor(priority: readonly string[], ownLabels: readonly Labels[], own: Locality) {
    this.#own = own
    this.#wanted = priority.map((entry) => {
      const equals = entry.indexOf('=')
      if (equals >= 0) return { label: entry.slice(0, equals), value: entry.slice(equals + 1) }
      return { label: entry, value: ownValue(entry, ownLabels, own) }
    })
  }

  /** 0 for an endpoint that shares all labels. */
  levelOf({ labels, locality }: EndpointPlan): number {
    const there = localityFrom(locality, this.#own)
    const differs = this.#wanted.findIndex(
      ({ label, value }) => (topologyLabel(label, there) ?? labels[label] ?? '') !== value,
    )
    return differs < 0 ? 0 : this.#wanted.length - differs
  }
}

function ownValue(label: string, ownLabels: readonly Labels[], own: Locality): string {
  const topology = topologyLabel(label, own)
  if (topology !== null) return topology
  return ownLabels.find((labels) => labels[label] !== undefined)?.[label] ?? ''
}

/** What a locality says about one of the topology labels, or null. */
function topologyLabel(label: string, { region, zone, subzone }: Locality): string | null {
  const parts: Readonly<Record<string, string>> = {
    [REGION_LABEL]: region,
    [ZONE_LABEL]: zone,
    [SUBZONE_LABEL]: subzone,
  }
  return parts[label] || null
}

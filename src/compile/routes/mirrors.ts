import type { ClusterPlan } from '../../clusters/plan.ts'
import type { DestinationSpec, HttpRouteSpec } from '../../config/kinds/virtual-service.ts'
import { MirrorPlan } from '../../routing/mirror-plan.ts'
import type { DestinationResolver, DestinationScope } from '../destinations.ts'
import type { Findings, Place } from '../findings.ts'

/** Annotation of a VirtualService: its mirrors are told by the Host, as before Istio 1.28. */
export const MIRROR_SUFFIX = 'tidegate.dev/mirror-suffix'

const EVERY_REQUEST = 100
const NOTHING_MIRRORED = 'nothing is mirrored'

interface WrittenMirror {
  readonly destination: DestinationSpec
  /** 0..100 */
  readonly percent: number
  readonly path: Place['path']
}

/** Compiles `mirror`, `mirrors` and their percentages. */
export class Mirrors {
  readonly #destinations: DestinationResolver
  readonly #findings: Findings

  constructor(destinations: DestinationResolver, findings: Findings) {
    this.#destinations = destinations
    this.#findings = findings
  }

  /** null: the rule mirrors nothing. */
  compile(
    rule: HttpRouteSpec,
    place: Place,
    scope: DestinationScope,
  ): readonly MirrorPlan[] | null {
    this.#reportLonePercentage(rule, place)
    const suffixed = place.resource.metadata.annotations[MIRROR_SUFFIX] === 'true'
    const plans: MirrorPlan[] = []
    for (const { destination, percent, path } of writtenMirrors(rule, place)) {
      if (percent <= 0) continue
      const resolved = this.#destinations.resolve(
        destination,
        { resource: place.resource, path },
        // The side matters only to destinations that go where the request itself says: none here.
        { listenerPort: scope.listenerPort, side: 'gateway', loss: NOTHING_MIRRORED },
      )
      plans.push(
        new MirrorPlan({
          clusterName: resolved.clusterName,
          cluster: resolved.cluster,
          chance: Math.min(percent, EVERY_REQUEST) / EVERY_REQUEST,
          suffixesHost: suffixed && !isNamedByHost(resolved.cluster),
        }),
      )
    }
    return plans.length === 0 ? null : plans
  }

  /** A rule that goes where the request itself says has no phase in which copies are made. */
  reportPassthrough(rule: HttpRouteSpec, place: Place): void {
    this.#reportUnused(
      rule,
      place,
      'the destinations of the rule have no endpoints of their own (resolution NONE): nothing is mirrored',
      'use resolution DNS or STATIC for the hosts of the rule',
    )
  }

  /** A rule that answers by itself sends nothing upstream that could be copied. */
  reportAnswered(rule: HttpRouteSpec, place: Place): void {
    this.#reportUnused(
      rule,
      place,
      'the rule answers by itself: nothing is mirrored',
      'mirror the rule with route that the client is led to',
    )
  }

  #reportUnused(rule: HttpRouteSpec, place: Place, message: string, hint: string): void {
    for (const { percent, path } of writtenMirrors(rule, place)) {
      if (percent <= 0) continue
      const spot = { resource: place.resource, path }
      this.#findings.report('warning', 'mirror-not-served', spot, message, hint)
    }
  }

  #reportLonePercentage(rule: HttpRouteSpec, place: Place): void {
    if (rule.mirror !== undefined) return
    for (const field of ['mirrorPercentage', 'mirrorPercent'] as const) {
      if (rule[field] === undefined) continue
      this.#findings.report(
        'warning',
        'mirror-not-served',
        { resource: place.resource, path: [...place.path, field] },
        `${field} has no effect: it is the share of \`mirror\`, which the rule does not have`,
        'write mirror beside it; entries of mirrors have a percentage of their own',
      )
    }
  }
}

/** In order. The percentage beside `mirror` wins over the deprecated number; absent means all. */
function writtenMirrors(rule: HttpRouteSpec, place: Place): readonly WrittenMirror[] {
  const written: WrittenMirror[] = []
  if (rule.mirror !== undefined) {
    const percent =
      rule.mirrorPercentage === undefined
        ? (rule.mirrorPercent ?? EVERY_REQUEST)
        : (rule.mirrorPercentage.value ?? 0)
    written.push({ destination: rule.mirror, percent, path: [...place.path, 'mirror'] })
  }
  for (const [index, { destination, percentage }] of (rule.mirrors ?? []).entries()) {
    written.push({
      destination: destination ?? {},
      percent: percentage === undefined ? EVERY_REQUEST : (percentage.value ?? 0),
      path: [...place.path, 'mirrors', index, 'destination'],
    })
  }
  return written
}

/** TLS that takes server name and certificate name from Host, where no other host would be known. */
function isNamedByHost(cluster: ClusterPlan | null): boolean {
  return cluster !== null && cluster.tls !== null && cluster.tls.serverName === null
}

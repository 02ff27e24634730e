import { localityMatches, type Locality, parseLocality } from '../../base/locality.ts'
import type { EndpointPlan } from '../../clusters/plan.ts'
import type { TrafficPolicySpec } from '../../config/kinds/destination-rule.ts'
import type { CompileSettings } from '../compile-input.ts'
import type { Findings } from '../findings.ts'
import {
  localityFrom,
  REGION_LABEL,
  SUBZONE_LABEL,
  ZONE_LABEL,
} from '../registry/locality-labels.ts'
import type { MeshService, Nearness } from '../registry/mesh-service.ts'
import { FailoverLabels } from './failover-labels.ts'
import type { EffectivePolicy } from './traffic-policy.ts'

type LocalitySpec = NonNullable<NonNullable<TrafficPolicySpec['loadBalancer']>['localityLbSetting']>
type Distribution = NonNullable<LocalitySpec['distribute']>[number]
type Failover = NonNullable<LocalitySpec['failover']>

/** Levels that closeness and failover regions make: same subzone, zone, region, elsewhere, demoted. */
const CLOSENESS_LEVELS = 5

/** A Service's trafficDistribution as the setting that means the same. */
const PREFERENCES: Readonly<Record<Nearness, LocalitySpec>> = {
  'same-zone': { failoverPriority: [REGION_LABEL, ZONE_LABEL] },
  'same-subzone': { failoverPriority: [REGION_LABEL, ZONE_LABEL, SUBZONE_LABEL] },
}

/**
 * Gives endpoints their failover priorities, or their localities weights, as localityLbSetting asks.
 * A DestinationRule's setting replaces the mesh's, which is on by default; priorities come with
 * outlierDetection only, since without it no endpoint ever fails, or where the Service asks for near
 * endpoints itself (trafficDistribution).
 */
export function placeEndpoints(
  endpoints: readonly EndpointPlan[],
  policy: Pick<EffectivePolicy, 'loadBalancer' | 'outlierDetection'> & {
    readonly service: Pick<MeshService, 'prefers'>
  },
  settings: CompileSettings,
  findings: Findings,
): readonly EndpointPlan[] {
  const own = policy.loadBalancer?.spec.localityLbSetting
  const mesh = settings.mesh.localityLbSetting
  const { prefers } = policy.service
  const preferred = own === undefined && prefers !== undefined ? PREFERENCES[prefers] : null
  const setting = preferred ?? settingInForce(own, mesh)
  if (setting === null) return endpoints
  const { locality, ownLabels } = settings
  if (locality === null) {
    const isAsked = (own ?? mesh ?? preferred ?? null) !== null
    if (isAsked && settings.localityAsked) reportUnknown(findings)
    return endpoints
  }
  const { distribute = [], failover = [], failoverPriority = [] } = setting
  if (distribute.length > 0) {
    const entry = distribute.find(({ from = '' }) => localityMatches(from, locality))
    if (entry === undefined) return endpoints
    const placed = distributed(endpoints, entry)
    if (placed.length === 0 && endpoints.length > 0) reportNobody(policy, entry, findings)
    return placed
  }
  if (policy.outlierDetection === null && preferred === null) return endpoints
  if (failoverPriority.length === 0) {
    const placed = compacted(endpoints, (one) => closeness(one.locality, locality, failover))
    if (own === undefined && mesh === undefined) reportImplied(policy, placed, findings)
    return placed
  }
  const labels = new FailoverLabels(failoverPriority, ownLabels, locality)
  return compacted(endpoints, (endpoint) => {
    const level = labels.levelOf(endpoint) * CLOSENESS_LEVELS
    return failover.length === 0 ? level : level + closeness(endpoint.locality, locality, failover)
  })
}

function settingInForce(
  own: LocalitySpec | undefined,
  mesh: LocalitySpec | undefined,
): LocalitySpec | null {
  const setting = own ?? mesh ?? {}
  return setting.enabled === false ? null : setting
}

/** The trap of a default that is on: whoever adds outlierDetection gets zone preference with it. */
function reportImplied(
  { outlierDetection }: Pick<EffectivePolicy, 'outlierDetection'>,
  endpoints: readonly EndpointPlan[],
  findings: Findings,
): void {
  const near = endpoints.filter(({ priority = 0 }) => priority === 0).length
  if (outlierDetection === null || near === endpoints.length) return
  findings.report(
    'info',
    'locality-priorities-implied',
    outlierDetection.place,
    `outlierDetection turns locality failover on: ${near} of ${endpoints.length} endpoints are near and used first, the others when those fail`,
    'write loadBalancer: {localityLbSetting: {enabled: false}} to use all alike',
  )
}

function reportNobody(
  { loadBalancer }: Pick<EffectivePolicy, 'loadBalancer'>,
  { from = '' }: Distribution,
  findings: Findings,
): void {
  const message = `localityLbSetting.distribute from ${from} names no locality that has endpoints: requests get 503 UH`
  const hint = 'localities that distribute leaves out get no requests; name them, or end with /*'
  const code = 'locality-without-endpoints'
  if (loadBalancer === null) findings.reportGeneral('warning', code, message, hint)
  else findings.report('warning', code, loadBalancer.place, message, hint)
}

function reportUnknown(findings: Findings): void {
  findings.reportGeneral(
    'warning',
    'own-locality-unknown',
    'localityLbSetting or trafficDistribution is configured, but where this gateway stands is not known: endpoints of all localities are used alike',
    'start it with --locality REGION/ZONE/SUBZONE, or give it NODE_NAME and read its Node',
  )
}

/** 0 same subzone, 1 same zone, 2 same region, 3 elsewhere, 4 not where `failover` sends to. */
function closeness(text: string, own: Locality, failover: Failover): number {
  const there = localityFrom(text, own)
  if (there.region === own.region) {
    if (there.zone !== own.zone) return 2
    return there.subzone === own.subzone ? 0 : 1
  }
  const target = failover.find(({ from }) => from === own.region)
  return target === undefined || target.to === there.region ? 3 : 4
}

/** Numbers without gaps from 0 on; endpoints that are all alike stay as they are. */
function compacted(
  endpoints: readonly EndpointPlan[],
  rankOf: (endpoint: EndpointPlan) => number,
): readonly EndpointPlan[] {
  const ranks = endpoints.map(rankOf)
  const levels = [...new Set(ranks)].sort((a, b) => a - b)
  if (levels.length <= 1) return endpoints
  return endpoints.map((endpoint, i) => ({
    ...endpoint,
    priority: levels.indexOf(ranks[i] ?? 0),
  }))
}

/**
 * The localities of `to` with their weights; those not named get nothing. Several localities under
 * one wildcard share its weight by the weights of their endpoints.
 */
function distributed(
  endpoints: readonly EndpointPlan[],
  { to = {} }: Distribution,
): readonly EndpointPlan[] {
  const placed: EndpointPlan[] = []
  const left = new Set(endpoints)
  for (const [pattern, weight] of Object.entries(to)) {
    const matching = [...left].filter(({ locality }) =>
      localityMatches(pattern, parseLocality(locality)),
    )
    const all = sumOfWeights(matching)
    for (const endpoint of matching) {
      left.delete(endpoint)
      const local = matching.filter(({ locality }) => locality === endpoint.locality)
      placed.push({ ...endpoint, localityWeight: (weight * sumOfWeights(local)) / all })
    }
  }
  return endpoints.flatMap(
    ({ address, port }) => placed.find((one) => one.address === address && one.port === port) ?? [],
  )
}

function sumOfWeights(endpoints: readonly EndpointPlan[]): number {
  return endpoints.reduce((sum, { weight }) => sum + weight, 0)
}

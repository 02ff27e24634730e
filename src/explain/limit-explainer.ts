import { formatPath } from '../config/problems.ts'
import { RESOURCE_LISTS } from '../config/resource-kinds.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { Resource } from '../config/resource.ts'
import type { FilterExchange, SettingOrigin } from '../filters/filter.ts'
import type { LimitReport, ReportedRule } from '../filters/limit-report.ts'
import type { Route } from '../routing/route.ts'
import type { Decided, Trace } from './decided.ts'
import type { Place } from './explanation.ts'
import type { ExplainedLimitRule, LimitExplanation } from './limit-explanation.ts'
import { placeOf, placeOfOrigin } from './resource-places.ts'

/** Where the answer comes from. */
export interface LimitSource {
  /** For places; null: only what was compiled tells them. */
  readonly set: ResourceSet | null
  /** Counters are looked at: a gateway runs. */
  readonly look: boolean
}

/**
 * Which rate limits a traced request meets: the compiled filters of its route are asked themselves,
 * in the order in which they run. Nothing is charged.
 */
export async function explainLimits(
  { explanation, decided }: Trace,
  { set, look }: LimitSource,
): Promise<LimitExplanation> {
  const reports = decided === null ? [] : await reportsOf(decided, look)
  const { generation, request, outcome } = explanation
  return {
    generation,
    live: look,
    request,
    outcome,
    route: decided === null ? null : placeOfOrigin(decided.route.origin),
    ...decisionOf(reports),
    filters: reports.map((report) => ({
      ...report,
      rules: report.rules.map((rule) => placed(rule, set)),
    })),
  }
}

function reportsOf({ route, request, accepted }: Decided, look: boolean): Promise<LimitReport[]> {
  const { clientAddress, connection } = accepted
  const exchange = new AskedExchange(request, clientAddress, connection, clusterOf(route))
  return Promise.all(
    route.filters.flatMap((filter) =>
      filter.reportLimits === undefined ? [] : [filter.reportLimits(exchange, look)],
    ),
  )
}

/** The first filter that refuses answers. */
function decisionOf(
  reports: readonly LimitReport[],
): Pick<LimitExplanation, 'decision' | 'status'> {
  const denying = reports.find(({ decision }) => decision === 'deny')
  if (denying !== undefined) return { decision: 'deny', status: denying.status }
  if (!reports.some(({ rules }) => rules.some(({ applies }) => applies))) {
    return { decision: 'none', status: null }
  }
  const unknown = reports.some(({ decision }) => decision === 'unknown')
  return { decision: unknown ? 'unknown' : 'allow', status: null }
}

/** The destination that most requests get; null for what has none. */
function clusterOf({ action }: Route): string | null {
  if (action.type !== 'forward') return null
  let heaviest = action.destinations[0] ?? null
  for (const one of action.destinations) {
    if (heaviest === null || one.weight > heaviest.weight) heaviest = one
  }
  return heaviest?.clusterName ?? null
}

/** What filters see of a request that only asks: it is neither answered nor sent anywhere. */
class AskedExchange implements FilterExchange {
  readonly request: FilterExchange['request']
  readonly clientAddress: string
  readonly claims: FilterExchange['claims']
  readonly connection: object
  readonly clusterName: string | null
  readonly ended = false

  constructor(
    request: FilterExchange['request'],
    clientAddress: string,
    connection: object,
    clusterName: string | null,
  ) {
    this.request = request
    this.claims = request.claims
    this.clientAddress = clientAddress
    this.connection = connection
    this.clusterName = clusterName
  }

  answer(): void {}
  resume(): void {}
  addResponseHeader(): void {}
  editResponse(): void {}
  observeUpstream(): void {}
  addFlag(): void {}
  waitWith(): void {}
}

function placed(
  { origin, limitOrigin, limitLine, ...rule }: ReportedRule,
  set: ResourceSet | null,
): ExplainedLimitRule {
  return {
    ...rule,
    place: origin === null ? policyPlace(rule, set) : settingPlace(origin, set),
    limitPlace: limitOrigin === null ? null : textPlace(limitOrigin, limitLine, set),
    limitLine,
  }
}

/** A rule of a RateLimitPolicy is known by its name. */
function policyPlace(
  { policy, rule }: Pick<ReportedRule, 'policy' | 'rule'>,
  set: ResourceSet | null,
): Place | null {
  const found = set?.rateLimitPolicies.find(
    ({ metadata }) => `${metadata.namespace}/${metadata.name}` === policy,
  )
  if (found === undefined) return null
  const index = (found.spec.rules ?? []).findIndex(({ name }) => name === rule)
  return placeOf(found, index < 0 ? ['spec'] : ['spec', 'rules', index])
}

function settingPlace(origin: SettingOrigin, set: ResourceSet | null): Place {
  const resource = resourceOf(origin, set)
  if (resource !== null) return placeOf(resource, origin.path)
  const { kind, namespace, name, path, file, line } = origin
  return { kind, namespace, name, path: formatPath(path), file, line }
}

/** A line of a text that a resource holds: block text begins in the line below its key. */
function textPlace(origin: SettingOrigin, line: number | null, set: ResourceSet | null): Place {
  const place = settingPlace(origin, set)
  // Descriptor files given by flag are files of their own.
  const above = resourceOf(origin, set) === null ? 0 : place.line
  if (line === null || above === null || place.file?.endsWith('.json')) return place
  return { ...place, line: above + line }
}

function resourceOf(
  { kind, namespace, name }: SettingOrigin,
  set: ResourceSet | null,
): Resource<unknown> | null {
  const list = RESOURCE_LISTS[kind]
  if (set === null || list === undefined) return null
  const resources: readonly Resource<unknown>[] = set[list]
  return (
    resources.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name) ??
    null
  )
}

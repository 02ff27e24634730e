import type { ConfigPatchSpec, EnvoyFilterSpec } from '../config/kinds/envoy-filter.ts'
import type { Resource } from '../config/resource.ts'
import { compileRe2 } from '../routing/linear-regex.ts'

/** The Istio release whose API this is: what `match.proxy.proxyVersion` is compared with. */
const ISTIO_VERSION = '1.29.0'

type Labels = Readonly<Record<string, string>>

/** Every label of `wanted` is there. No wanted labels: everything matches. */
export function labelsMatch(wanted: Labels | undefined, labels: Labels): boolean {
  if (wanted === undefined) return true
  return Object.entries(wanted).every(([key, value]) => labels[key] === value)
}

/** An EnvoyFilter that is meant for this process. */
export interface SelectedFilter {
  readonly resource: Resource<EnvoyFilterSpec>
  /** Indexes into the own label sets that its workloadSelector matches; null: all of them. */
  readonly identities: ReadonlySet<number> | null
}

interface Unselected {
  readonly resource: Resource<EnvoyFilterSpec>
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly hint: string | null
}

export interface Selection {
  /** In Istio's order of application. */
  readonly selected: readonly SelectedFilter[]
  readonly unselected: readonly Unselected[]
}

export interface SelectionInput {
  readonly filters: readonly Resource<EnvoyFilterSpec>[]
  readonly ownLabels: readonly Labels[]
  readonly namespace: string
  readonly rootNamespace: string
}

/**
 * Which EnvoyFilters apply, in Istio's order: priority ascending, then the root namespace, then age,
 * then `name.namespace`.
 */
export function selectEnvoyFilters(input: SelectionInput): Selection {
  const selected: SelectedFilter[] = []
  const unselected: Unselected[] = []
  for (const resource of input.filters) {
    const verdict = select(resource, input)
    if ('message' in verdict) unselected.push(verdict)
    else selected.push(verdict)
  }
  selected.sort((left, right) => order(left.resource, right.resource, input.rootNamespace))
  return { selected, unselected }
}

function select(
  resource: Resource<EnvoyFilterSpec>,
  input: SelectionInput,
): SelectedFilter | Unselected {
  const { namespace } = resource.metadata
  if (namespace !== input.rootNamespace && namespace !== input.namespace) {
    const places =
      input.rootNamespace === input.namespace
        ? `"${input.namespace}"`
        : `"${input.namespace}" (the gateway's) or "${input.rootNamespace}" (the root namespace)`
    return {
      resource,
      path: ['metadata', 'namespace'],
      message: `EnvoyFilter stands in namespace "${namespace}" and does not reach this gateway`,
      hint: `Put it into ${places}, or run the gateway with --namespace ${namespace}.`,
    }
  }
  if ((resource.spec.targetRefs ?? []).length > 0) {
    return {
      resource,
      path: ['spec', 'targetRefs'],
      message:
        'EnvoyFilter is attached with targetRefs, which name Kubernetes Gateways or waypoints',
      hint: 'Select the gateway with workloadSelector.labels.',
    }
  }
  const wanted = resource.spec.workloadSelector?.labels
  if (input.ownLabels.length === 0 || wanted === undefined) return { resource, identities: null }
  const identities = new Set<number>()
  for (const [index, labels] of input.ownLabels.entries()) {
    if (labelsMatch(wanted, labels)) identities.add(index)
  }
  if (identities.size > 0) return { resource, identities }
  return {
    resource,
    path: ['spec', 'workloadSelector', 'labels'],
    message: 'EnvoyFilter selects labels this gateway does not carry',
    hint: `Own labels are ${input.ownLabels.map(formatLabels).join(' and ')} (--labels).`,
  }
}

function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
  return pairs.length === 0 ? '(none)' : pairs.join(',')
}

function order(
  left: Resource<EnvoyFilterSpec>,
  right: Resource<EnvoyFilterSpec>,
  rootNamespace: string,
): number {
  const priority = (left.spec.priority ?? 0) - (right.spec.priority ?? 0)
  if (priority !== 0) return priority
  const leftRoot = left.metadata.namespace === rootNamespace
  if (leftRoot !== (right.metadata.namespace === rootNamespace)) return leftRoot ? -1 : 1
  const leftTime = left.metadata.creationTimestamp ?? Number.POSITIVE_INFINITY
  const rightTime = right.metadata.creationTimestamp ?? Number.POSITIVE_INFINITY
  if (leftTime !== rightTime) return leftTime < rightTime ? -1 : 1
  const leftName = `${left.metadata.name}.${left.metadata.namespace}`
  const rightName = `${right.metadata.name}.${right.metadata.namespace}`
  return leftName < rightName ? -1 : leftName > rightName ? 1 : 0
}

/** Why a patch can never apply here whatever the route, or null. */
export function excludedByProxy(match: ConfigPatchSpec['match']): string | null {
  if (match?.context === 'SIDECAR_INBOUND' || match?.context === 'WAYPOINT') {
    return `context ${match.context} is never this gateway's`
  }
  if (Object.keys(match?.proxy?.metadata ?? {}).length > 0) {
    return 'match.proxy.metadata asks for node metadata, and this gateway has none'
  }
  const pattern = match?.proxy?.proxyVersion
  if (pattern === undefined || pattern === '') return null
  const regex = compileRe2(pattern)
  if (typeof regex === 'string') return `match.proxy.proxyVersion "${pattern}": ${regex}`
  if (regex.matcher(ISTIO_VERSION).find()) return null
  return `match.proxy.proxyVersion "${pattern}" does not match ${ISTIO_VERSION}, the release this gateway implements`
}

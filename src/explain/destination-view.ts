import type { ClusterPlan } from '../clusters/plan.ts'
import type { Problem } from '../config/problems.ts'
import { formatPath } from '../config/problems.ts'
import type { Destination, RouteOrigin } from '../routing/route.ts'
import { type ClusterView, clusterRefusal } from './cluster-view.ts'
import type { ExplainedDestination, Refusal } from './explanation.ts'
import { explainHeaders } from './route-features.ts'

const PERCENT = 100
const TENTHS = 10

/** Destinations with their shares. `weights` are cumulative, the last is the total. */
export function explainDestinations(
  destinations: readonly {
    readonly clusterName: string
    readonly cluster: ClusterPlan | null
    readonly requestHeaders?: Destination['requestHeaders']
    readonly responseHeaders?: Destination['responseHeaders']
  }[],
  weights: readonly number[],
  view: ClusterView,
  missing: Refusal,
): readonly ExplainedDestination[] {
  const total = weights.at(-1) ?? 0
  return destinations.map((destination, index) => {
    const { clusterName, cluster, requestHeaders, responseHeaders } = destination
    const weight = (weights[index] ?? 0) - (weights[index - 1] ?? 0)
    const details = cluster === null ? null : view.explain(cluster)
    return {
      cluster: clusterName,
      weight,
      percent: total === 0 ? 0 : Math.round((weight * PERCENT * TENTHS) / total) / TENTHS,
      details,
      requestHeaders: explainHeaders(requestHeaders ?? null),
      responseHeaders: explainHeaders(responseHeaders ?? null),
      refusal: details === null ? missing : clusterRefusal(details),
    }
  })
}

/** 503 NC, with what the compiler said about the rule where it said something. */
export function missingCluster(origin: RouteOrigin | null, problems: readonly Problem[]): Refusal {
  const rule = origin === null ? '' : origin.path.replace(/\.match\[\d+\]$/, '')
  const said = problems.find(
    ({ ref, path, severity }) =>
      origin !== null &&
      ref !== null &&
      severity === 'error' &&
      ref.kind === origin.kind &&
      ref.namespace === origin.namespace &&
      ref.name === origin.name &&
      formatPath(path).startsWith(`${rule}.route`),
  )
  const reason = said === undefined ? 'there is no such host, subset or port' : sentence(said)
  return { status: 503, flag: 'NC', reason }
}

function sentence({ message, hint }: Problem): string {
  return hint === null ? message : `${message} (${hint})`
}

import { SecretText } from '../base/secret-text.ts'
import { isCredentialName } from '../base/credential-name.ts'
import { ClusterPlan } from '../clusters/plan.ts'
import { HeaderMutation } from '../routing/header-mutation.ts'
import { MirrorPlan } from '../routing/mirror-plan.ts'
import type { ForwardAction, Route } from '../routing/route.ts'
import type { ExplainedHeaders } from './explanation.ts'

/** Header operations by name. */
export function explainHeaders(mutation: HeaderMutation | null): ExplainedHeaders | null {
  if (mutation === null) return null
  return {
    remove: mutation.removes,
    set: mutation.sets.map(({ name }) => name),
    add: mutation.adds.map(({ name }) => name),
  }
}

/** What has a line of its own in an explanation. */
const SHOWN: ReadonlySet<string> = new Set(
  (
    'name origin match action requestHeaders responseHeaders filters ' +
    'type destinations cumulativeWeights rewrite rewriteAuthority timeoutMs retry'
  ).split(' '),
)

const MAX_DEPTH = 4
const MAX_ITEMS = 20

/** Everything else that a route is told to do, by field name: CORS, faults, mirrors and the like. */
export function routeFeatures(
  route: Route,
  action: ForwardAction | null,
): Readonly<Record<string, unknown>> {
  const features: Record<string, unknown> = {}
  for (const [name, value] of [...Object.entries(route), ...Object.entries(action ?? {})]) {
    if (SHOWN.has(name) || value === null || value === undefined) continue
    const described = describeValue(value, MAX_DEPTH)
    if (described !== undefined) features[name] = described
  }
  return features
}

/** Plain data of a compiled value; undefined for what is no data. */
function describeValue(value: unknown, depth: number): unknown {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return value
  if (typeof value !== 'object' || depth === 0) return undefined
  if (value instanceof SecretText) return String(value)
  if (value instanceof ClusterPlan) return value.name
  if (value instanceof MirrorPlan) return describeMirror(value)
  if (value instanceof HeaderMutation) return explainHeaders(value)
  if (Buffer.isBuffer(value)) return `${value.length} bytes`
  if (value instanceof Set || Array.isArray(value)) {
    return [...value].slice(0, MAX_ITEMS).map((item) => describeValue(item, depth - 1))
  }
  const described: Record<string, unknown> = {}
  for (const [name, item] of Object.entries(value).slice(0, MAX_ITEMS)) {
    const shown = isCredentialName(name) && typeof item === 'string' ? '[redacted]' : item
    const plain = describeValue(shown, depth - 1)
    if (plain !== undefined) described[name] = plain
  }
  return described
}

const PERCENT = 100

function describeMirror({ clusterName, cluster, chance }: MirrorPlan): Record<string, unknown> {
  return { cluster: clusterName, found: cluster !== null, percent: chance * PERCENT }
}

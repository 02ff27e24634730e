import type { DestinationRuleSpec } from './kinds/destination-rule.ts'
import { isMapping } from './mapping.ts'
import type { ResourceRef } from './problems.ts'
import type { Location, Resource } from './resource.ts'

/**
 * What stands in for a DestinationRule that has errors and asks for TLS: its host, and who it is
 * for. Without it the rule would count as absent and requests to the host would leave in plain
 * text. null: the document is no such rule, or does not say which host it is for.
 */
export function withheldRule(
  document: unknown,
  { apiVersion, ref }: { readonly apiVersion: string; readonly ref: ResourceRef },
  location: Location,
): Resource<DestinationRuleSpec> | null {
  if (ref.kind !== 'DestinationRule' || !isMapping(document)) return null
  const { spec } = document
  if (!isMapping(spec) || typeof spec['host'] !== 'string' || spec['host'] === '') return null
  if (!asksForTls(spec['trafficPolicy'])) return null
  const exportTo = texts(spec['exportTo'])
  const matchLabels = labelsOf(spec['workloadSelector'])
  const { namespace, name } = ref
  return Object.freeze({
    apiVersion,
    kind: ref.kind,
    metadata: { namespace, name, labels: {}, annotations: {}, creationTimestamp: ageOf(document) },
    spec: {
      host: spec['host'],
      ...(exportTo === null ? {} : { exportTo }),
      ...(matchLabels === null ? {} : { workloadSelector: { matchLabels } }),
    },
    location,
    digest: `withheld ${spec['host']} ${exportTo?.join()} ${JSON.stringify(matchLabels)}`,
  })
}

function ageOf(document: Readonly<Record<string, unknown>>): number | null {
  const { metadata } = document
  const text = isMapping(metadata) ? metadata['creationTimestamp'] : null
  const ms = typeof text === 'string' ? Date.parse(text) : NaN
  return Number.isNaN(ms) ? null : ms
}

/** A tls block of the policy or of one of its ports that does not say DISABLE. */
function asksForTls(policy: unknown): boolean {
  if (!isMapping(policy)) return false
  const ports: unknown = policy['portLevelSettings']
  const blocks: unknown[] = [policy, ...(Array.isArray(ports) ? ports : [])]
  return blocks.some((block) => isMapping(block) && isOrigination(block['tls']))
}

function isOrigination(tls: unknown): boolean {
  if (tls === undefined || tls === null) return false
  return !isMapping(tls) || tls['mode'] !== 'DISABLE'
}

function texts(value: unknown): readonly string[] | null {
  if (!Array.isArray(value)) return null
  const entries: unknown[] = value
  return entries.filter((entry) => typeof entry === 'string')
}

function labelsOf(selector: unknown): Readonly<Record<string, string>> | null {
  if (!isMapping(selector) || !isMapping(selector['matchLabels'])) return null
  const labels: Record<string, string> = {}
  for (const [name, value] of Object.entries(selector['matchLabels'])) {
    if (typeof value === 'string') labels[name] = value
  }
  return labels
}

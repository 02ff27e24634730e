import type {
  JwtRuleSpec,
  RequestAuthenticationSpec,
  TargetReferenceSpec,
} from './kinds/request-authentication.ts'
import { isMapping } from './mapping.ts'
import type { ResourceRef } from './problems.ts'
import type { Location, Resource } from './resource.ts'

/**
 * What stands in for a RequestAuthentication that has errors: rules that look where the written
 * ones look and accept nothing, as far as they can be read. Without it tokens would reach the
 * upstream unchecked, and clients could write the headers that only tokens may write. null: the
 * document is none.
 */
export function withheldAuthentication(
  document: unknown,
  { apiVersion, ref }: { readonly apiVersion: string; readonly ref: ResourceRef },
  location: Location,
): Resource<RequestAuthenticationSpec> | null {
  if (ref.kind !== 'RequestAuthentication' || !isMapping(document)) return null
  const spec = isMapping(document['spec']) ? document['spec'] : {}
  const rules: readonly unknown[] = Array.isArray(spec['jwtRules']) ? spec['jwtRules'] : []
  const matchLabels = labelsOf(spec['selector'])
  const targetRefs = targetsOf(spec)
  const { namespace, name } = ref
  const jwtRules = rules.length === 0 ? [{}] : rules.map(refusing)
  return Object.freeze({
    apiVersion,
    kind: ref.kind,
    metadata: { namespace, name, labels: {}, annotations: {}, creationTimestamp: null },
    spec: {
      ...(matchLabels === null ? {} : { selector: { matchLabels } }),
      ...(targetRefs.length === 0 ? {} : { targetRefs }),
      jwtRules,
    },
    location,
    digest: `withheld ${JSON.stringify([matchLabels, targetRefs, jwtRules])}`,
  })
}

/** Without issuer it is asked about every token; without keys it accepts none. */
function refusing(rule: unknown): JwtRuleSpec {
  if (!isMapping(rule)) return {}
  const headers = mappings(rule['fromHeaders']).flatMap(({ name, prefix }) =>
    isText(name) ? [{ name, prefix: isText(prefix) ? prefix : '' }] : [],
  )
  const outputs = mappings(rule['outputClaimToHeaders']).flatMap(({ header }) =>
    isText(header) ? [{ header, claim: 'none' }] : [],
  )
  const payload = rule['outputPayloadToHeader']
  return {
    fromHeaders: headers,
    fromParams: texts(rule['fromParams']),
    fromCookies: texts(rule['fromCookies']),
    outputClaimToHeaders: outputs,
    ...(isText(payload) ? { outputPayloadToHeader: payload } : {}),
  }
}

function targetsOf(spec: Readonly<Record<string, unknown>>): readonly TargetReferenceSpec[] {
  const { targetRef, targetRefs } = spec
  const written = [...mappings([targetRef]), ...mappings(targetRefs)]
  return written.map(({ group, kind, name }) => ({
    group: isText(group) ? group : '',
    kind: isText(kind) ? kind : '',
    name: isText(name) ? name : '',
  }))
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function texts(value: unknown): readonly string[] {
  const entries: readonly unknown[] = Array.isArray(value) ? value : []
  return entries.filter(isText)
}

function mappings(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  const entries: readonly unknown[] = Array.isArray(value) ? value : []
  return entries.filter(isMapping)
}

/** null: no selector, or none that can be read, which then excludes nobody. */
function labelsOf(selector: unknown): Readonly<Record<string, string>> | null {
  if (!isMapping(selector) || !isMapping(selector['matchLabels'])) return null
  const entries = Object.entries(selector['matchLabels'])
  const labels = entries.filter((entry): entry is [string, string] => isText(entry[1]))
  return Object.fromEntries(labels)
}

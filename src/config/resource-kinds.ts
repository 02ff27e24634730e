import { closest } from '../base/closest.ts'
import { istioKinds } from './kinds/rules.ts'
import { OWN_GROUP, OWN_VERSION, ownKinds } from './kinds/own-kinds.ts'
import { kubernetesKinds } from './kinds/kubernetes-kinds.ts'
import { SECURITY_GROUP, SECURITY_VERSIONS, securityKinds } from './kinds/security-kinds.ts'
import { metadataSchema } from './metadata.ts'
import type { ResourceSet } from './resource-set.ts'
import { any, object, string, type Fields, type ObjectSchema } from './schema.ts'

export const ISTIO_GROUP = 'networking.istio.io'
const ISTIO_VERSIONS: ReadonlySet<string> = new Set(['v1', 'v1beta1', 'v1alpha3'])

/** A kind the gateway reads, and how its documents are checked. */
export interface ResourceKind {
  readonly name: string
  /** Istio's or our own: unknown fields are refused, `spec` is needed, the kind has rules. */
  readonly istio: boolean
  readonly body: 'spec' | 'document'
  readonly clusterScoped: boolean
  /** `status` is read too, and kept beside the spec. */
  readonly keepsStatus: boolean
  /** The whole document. */
  readonly document: ObjectSchema<Fields>
  readonly list: keyof ResourceSet
}

/** What an apiVersion and kind name: a kind we read, one we do not, or a mistake. */
export type KindLookup =
  | { readonly known: ResourceKind }
  | { readonly skipped: string }
  | {
      readonly mistake: string
      readonly field: 'apiVersion' | 'kind'
      readonly hint: string | null
    }

/** Which list of a set holds the resources of a kind. */
export const RESOURCE_LISTS: Readonly<Record<string, keyof ResourceSet>> = {
  Gateway: 'gateways',
  VirtualService: 'virtualServices',
  DestinationRule: 'destinationRules',
  ServiceEntry: 'serviceEntries',
  WorkloadEntry: 'workloadEntries',
  Sidecar: 'sidecars',
  EnvoyFilter: 'envoyFilters',
  RateLimitPolicy: 'rateLimitPolicies',
  RequestAuthentication: 'requestAuthentications',
  Service: 'services',
  EndpointSlice: 'endpointSlices',
  Endpoints: 'endpoints',
  Pod: 'pods',
  Secret: 'secrets',
  ConfigMap: 'configMaps',
  Namespace: 'namespaces',
  Node: 'nodes',
}

/** Kinds of Istio's networking group that say nothing an edge needs. */
const SKIPPED_ISTIO: ReadonlySet<string> = new Set(['WorkloadGroup', 'ProxyConfig'])

const kinds: ReadonlyMap<string, ResourceKind> = allKinds()

export function findKind(apiVersion: string, kind: string): KindLookup {
  const slash = apiVersion.indexOf('/')
  const group = slash < 0 ? '' : apiVersion.slice(0, slash)
  const version = apiVersion.slice(slash + 1)
  const istio = kinds.get(`istio ${kind}`)
  if (group === ISTIO_GROUP) {
    if (istio === undefined)
      return SKIPPED_ISTIO.has(kind) ? { skipped: kind } : unknownIstioKind(kind)
    if (ISTIO_VERSIONS.has(version)) return { known: istio }
    return wrongVersion(`${apiVersion} is not a version of ${kind}`)
  }
  if (group === OWN_GROUP) return findOwnKind(apiVersion, version, kind)
  if (group === SECURITY_GROUP) return findSecurityKind(apiVersion, version, kind)
  const own = kubernetesKinds.get(kind)
  const known = kinds.get(`kubernetes ${kind}`)
  if (own !== undefined && known !== undefined) {
    if (own.apiVersions.includes(apiVersion)) return { known }
    if (slash < 0)
      return {
        mistake: `${kind} has no apiVersion ${apiVersion}`,
        field: 'apiVersion',
        hint: `write ${own.apiVersions[0]}`,
      }
    return { skipped: kind }
  }
  // `v1` or a typo of the group; other projects have a Gateway and a VirtualService of their own.
  if (istio !== undefined && (slash < 0 || closest(group, [ISTIO_GROUP]) !== null)) {
    return wrongVersion(`${kind} is not of apiVersion ${apiVersion}`)
  }
  return { skipped: kind }
}

/** The apiVersion a kind is usually written with, or null when the kind is not ours. */
export function usualApiVersion(kind: string): string | null {
  if (kinds.has(`istio ${kind}`)) return `${ISTIO_GROUP}/v1`
  if (ownKinds.has(kind)) return `${OWN_GROUP}/${OWN_VERSION}`
  if (securityKinds.has(kind)) return `${SECURITY_GROUP}/v1`
  return kubernetesKinds.get(kind)?.apiVersions[0] ?? null
}

function unknownIstioKind(kind: string): KindLookup {
  const meant = closest(kind, istioKinds.keys())
  const hint = meant === null ? null : `did you mean ${meant}?`
  return { mistake: `${ISTIO_GROUP} has no kind ${kind}`, field: 'kind', hint }
}

function findOwnKind(apiVersion: string, version: string, kind: string): KindLookup {
  const known = kinds.get(`own ${kind}`)
  if (known === undefined) {
    const meant = closest(kind, ownKinds.keys())
    const hint = meant === null ? null : `did you mean ${meant}?`
    return { mistake: `${OWN_GROUP} has no kind ${kind}`, field: 'kind', hint }
  }
  if (version === OWN_VERSION) return { known }
  return {
    mistake: `${apiVersion} is not a version of ${kind}`,
    field: 'apiVersion',
    hint: `write ${OWN_GROUP}/${OWN_VERSION}`,
  }
}

/** Kinds of the group that are not enforced here are skipped, loudly. */
function findSecurityKind(apiVersion: string, version: string, kind: string): KindLookup {
  const known = kinds.get(`security ${kind}`)
  if (known === undefined) return { skipped: kind }
  if (SECURITY_VERSIONS.has(version)) return { known }
  const mistake = `${apiVersion} is not a version of ${kind}`
  return { mistake, field: 'apiVersion', hint: `write ${SECURITY_GROUP}/v1` }
}

function wrongVersion(mistake: string): KindLookup {
  return { mistake, field: 'apiVersion', hint: `write ${ISTIO_GROUP}/v1` }
}

function allKinds(): ReadonlyMap<string, ResourceKind> {
  const all = new Map<string, ResourceKind>()
  const envelope = { apiVersion: string, kind: string, metadata: metadataSchema }
  const strict = [...istioKinds].map((entry) => ['istio', ...entry] as const)
  const own = [...ownKinds].map((entry) => ['own', ...entry] as const)
  const security = [...securityKinds].map((entry) => ['security', ...entry] as const)
  for (const [group, name, { schema }] of [...strict, ...own, ...security]) {
    const document = object({ ...envelope, spec: schema, status: any })
    all.set(`${group} ${name}`, {
      name,
      istio: true,
      body: 'spec',
      clusterScoped: false,
      keepsStatus: false,
      document,
      list: listOf(name),
    })
  }
  for (const [name, { schema, body, clusterScoped, status }] of kubernetesKinds) {
    const document = object(
      body === 'spec'
        ? { ...envelope, spec: schema, ...(status === undefined ? {} : { status }) }
        : { ...envelope, ...schema.fields },
    )
    all.set(`kubernetes ${name}`, {
      name,
      istio: false,
      body,
      clusterScoped,
      keepsStatus: status !== undefined,
      document,
      list: listOf(name),
    })
  }
  return all
}

function listOf(kind: string): keyof ResourceSet {
  const list = RESOURCE_LISTS[kind]
  if (list === undefined) throw new Error(`no list of the resource set holds ${kind}`)
  return list
}

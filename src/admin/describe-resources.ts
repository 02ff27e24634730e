import type { CompileSettings } from '../compile/compile-input.ts'
import type { Problem, Severity } from '../config/problems.ts'
import { RESOURCE_LISTS } from '../config/resource-kinds.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { Resource } from '../config/resource.ts'

/** What the serving snapshot was compiled from. */
export interface ServedConfiguration {
  readonly set: ResourceSet
  readonly settings: CompileSettings
}

/** One resource for people and tools: names and places, nothing of its body but hosts. */
export interface ResourceDescription {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  /** Hosts as written; of a Gateway those of every server. */
  readonly hosts: readonly string[]
  /** `spec.gateways` of a VirtualService; `mesh` where it names none. */
  readonly gateways: readonly string[]
  readonly file: string | null
  readonly line: number | null
  /** ISO 8601, or null where metadata has no creationTimestamp. */
  readonly createdAt: string | null
  /** False: it has errors, and there is no good version of it. */
  readonly served: boolean
  /** Findings about it. */
  readonly problems: Readonly<Record<Severity, number>>
}

/** Nobody has to know what Secrets and ConfigMaps are called. */
const UNLISTED: ReadonlySet<string> = new Set(['Secret', 'ConfigMap'])

export const RESOURCE_KINDS: readonly string[] = Object.keys(RESOURCE_LISTS).filter(
  (kind) => !UNLISTED.has(kind),
)

/** Resources of `kind` (null: of every listed kind): those served, then those that cannot be. */
export function describeResources(
  set: ResourceSet,
  problems: readonly Problem[],
  kind: string | null,
): readonly ResourceDescription[] {
  const counts = problemCounts(problems)
  const kinds = kind === null ? RESOURCE_KINDS : RESOURCE_KINDS.filter((one) => one === kind)
  return kinds.flatMap((one) => {
    const list = RESOURCE_LISTS[one]
    const resources: readonly Resource<unknown>[] = list === undefined ? [] : set[list]
    const served = resources.map((resource) => describeResource(resource, counts))
    const known = new Set(served.map(keyOf))
    return [
      ...served,
      ...refused(problems, one, counts).filter((entry) => !known.has(keyOf(entry))),
    ]
  })
}

type Counts = ReadonlyMap<string, Readonly<Record<Severity, number>>>

const NONE = { error: 0, warning: 0, info: 0 } as const

function problemCounts(problems: readonly Problem[]): Counts {
  const counts = new Map<string, Record<Severity, number>>()
  for (const { ref, severity } of problems) {
    if (ref === null) continue
    const key = keyOf(ref)
    const count = counts.get(key) ?? { ...NONE }
    count[severity]++
    counts.set(key, count)
  }
  return counts
}

function keyOf(ref: {
  readonly kind: string
  readonly namespace: string
  readonly name: string
}): string {
  return `${ref.kind}\n${ref.namespace}\n${ref.name}`
}

function describeResource(resource: Resource<unknown>, counts: Counts): ResourceDescription {
  const { kind, metadata, location } = resource
  const { namespace, name, creationTimestamp } = metadata
  return {
    kind,
    namespace,
    name,
    hosts: hostsOf(resource),
    gateways: gatewaysOf(resource),
    file: location.file,
    line: location.line,
    createdAt: creationTimestamp === null ? null : new Date(creationTimestamp).toISOString(),
    served: true,
    problems: counts.get(keyOf({ kind, namespace, name })) ?? NONE,
  }
}

/** Resources that are known by their errors alone. */
function refused(
  problems: readonly Problem[],
  kind: string,
  counts: Counts,
): readonly ResourceDescription[] {
  const found = new Map<string, ResourceDescription>()
  for (const { ref, severity, file, line } of problems) {
    if (ref === null || ref.kind !== kind || severity !== 'error') continue
    const key = keyOf(ref)
    if (found.has(key)) continue
    found.set(key, {
      ...ref,
      hosts: [],
      gateways: [],
      file,
      line,
      createdAt: null,
      served: false,
      problems: counts.get(key) ?? NONE,
    })
  }
  return [...found.values()]
}

interface HostFields {
  readonly host?: string
  readonly hosts?: readonly string[]
  readonly gateways?: readonly string[]
  readonly address?: string
  readonly servers?: readonly { readonly hosts?: readonly string[] }[]
}

function hostsOf({ kind, metadata, spec }: Resource<unknown>): readonly string[] {
  const { host, hosts = [], servers = [], address } = spec as HostFields
  switch (kind) {
    case 'Gateway':
      return [...new Set(servers.flatMap((server) => server.hosts ?? []))]
    case 'VirtualService':
    case 'ServiceEntry':
      return hosts
    case 'DestinationRule':
      return host === undefined ? [] : [host]
    case 'WorkloadEntry':
      return address === undefined ? [] : [address]
    case 'Service':
      return [`${metadata.name}.${metadata.namespace}.svc`]
    default:
      return []
  }
}

function gatewaysOf({ kind, spec }: Resource<unknown>): readonly string[] {
  if (kind !== 'VirtualService') return []
  const { gateways = [], hosts = [] } = spec as HostFields
  // Without hosts it is a delegate: it stands wherever the rule that names it does.
  if (gateways.length > 0 || hosts.length === 0) return gateways
  return ['mesh']
}

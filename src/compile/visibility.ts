import type { Resource } from '../config/resource.ts'

/** How a resource came to be visible from the gateway's namespace, or `hidden`. */
export type Visibility = 'private' | 'exported' | 'public' | 'hidden'

/**
 * exportTo judged from `proxyNamespace`, which on a gateway is the process' own namespace, not the
 * resource's. Absent or empty means everywhere.
 */
export function visibilityOf(
  resource: Resource<{ readonly exportTo?: readonly string[] }>,
  proxyNamespace: string,
): Visibility {
  return visibilityFrom(resource.spec.exportTo, resource.metadata.namespace, proxyNamespace)
}

export function visibilityFrom(
  exportTo: readonly string[] | undefined,
  namespace: string,
  proxyNamespace: string,
): Visibility {
  if (exportTo === undefined || exportTo.length === 0 || exportTo.includes('*')) return 'public'
  if (exportTo.includes('~')) return 'hidden'
  if (exportTo.includes('.') && namespace === proxyNamespace) return 'private'
  return exportTo.includes(proxyNamespace) ? 'exported' : 'hidden'
}

/** The namespaces that exportTo of a resource in `namespace` names; null: all. */
export function audienceOf(
  exportTo: readonly string[] | undefined,
  namespace: string,
): ReadonlySet<string> | null {
  if (exportTo === undefined || exportTo.length === 0 || exportTo.includes('*')) return null
  const named = exportTo.filter((name) => name !== '~')
  return new Set(named.map((name) => (name === '.' ? namespace : name)))
}

/** Visible resources as Istio lists them: private ones, then those exported by name, then public ones. */
export function visibleInOrder<T extends Resource<{ readonly exportTo?: readonly string[] }>>(
  resources: readonly T[],
  proxyNamespace: string,
): readonly T[] {
  const groups: Record<Visibility, T[]> = { private: [], exported: [], public: [], hidden: [] }
  for (const resource of resources) groups[visibilityOf(resource, proxyNamespace)].push(resource)
  return [...groups.private, ...groups.exported, ...groups.public]
}

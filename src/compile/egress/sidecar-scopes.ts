import type { SidecarSpec } from '../../config/kinds/sidecar.ts'
import type { Resource } from '../../config/resource.ts'
import type { EgressScope } from '../../snapshot/egress-control.ts'
import { type Labels, selects } from '../labels.ts'
import { SidecarScope } from './sidecar-scope.ts'

/** Key of the scope for namespaces without a Sidecar of their own. */
const ANY_NAMESPACE = ''

/**
 * Which Sidecar applies to a workload: one of its namespace that selects it, else the namespace's
 * own without selector, else the root namespace's; the oldest of several. Nothing is merged. One
 * scope is shared by all whom a Sidecar applies to.
 */
export class SidecarScopes {
  /** Sidecars without selector, by namespace. */
  readonly byNamespace: ReadonlyMap<string, EgressScope>
  readonly #selecting = new Map<
    string,
    { readonly selector: Labels; readonly scope: EgressScope }[]
  >()

  /** `sidecars` oldest first. */
  constructor(sidecars: readonly Resource<SidecarSpec>[], rootNamespace: string) {
    const byNamespace = new Map<string, EgressScope>()
    for (const sidecar of sidecars) {
      const { namespace } = sidecar.metadata
      const scope = new SidecarScope(sidecar)
      const selector = sidecar.spec.workloadSelector?.labels ?? {}
      if (Object.keys(selector).length > 0) {
        const list = this.#selecting.get(namespace) ?? []
        this.#selecting.set(namespace, [...list, { selector, scope }])
      } else if (!byNamespace.has(namespace)) byNamespace.set(namespace, scope)
    }
    const root = byNamespace.get(rootNamespace)
    if (root !== undefined) byNamespace.set(ANY_NAMESPACE, root)
    this.byNamespace = byNamespace
  }

  of(namespace: string, labels: Labels): EgressScope | null {
    const selecting = this.#selecting.get(namespace) ?? []
    const found = selecting.find(({ selector }) => selects(selector, labels))
    if (found !== undefined) return found.scope
    return this.byNamespace.get(namespace) ?? this.byNamespace.get(ANY_NAMESPACE) ?? null
  }
}

import type { FilterCompileContext } from '../../../src/filters/filter.ts'
import type { DescriptorNode } from '../descriptor-tree.ts'
import type { DomainCatalog } from '../domains.ts'

/**
 * The descriptor files that the server answers from. Those of a compilation take the place of the
 * ones before when it is served.
 */
export class ServedDomains {
  #next: ReadonlyMap<string, DescriptorNode> = new Map()
  #current: ReadonlyMap<string, DescriptorNode> = new Map()

  /** A compilation begins. */
  begin(domains: DomainCatalog, context: FilterCompileContext): void {
    this.#next = domains.all(context)
  }

  /** What was compiled last is served from now on. */
  published(): void {
    this.#current = this.#next
  }

  /** null: no file defines the domain. */
  find(domain: string): DescriptorNode | null {
    return this.#current.get(domain) ?? null
  }
}

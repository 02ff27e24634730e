import type { FilterFactory, RuleField } from './filter.ts'

/** The filter factories of this process, in order of registration: the only door for plugins. */
export class FilterRegistry {
  readonly #factories: FilterFactory[] = []
  readonly #owners = new Map<string, string>()
  readonly #fieldOwners = new Map<RuleField, string>()

  get factories(): readonly FilterFactory[] {
    return this.#factories
  }

  /** Throws when another factory already implements one of its type URLs, or its field: two owners are a wiring bug. */
  add(factory: FilterFactory): void {
    for (const typeUrl of factory.typeUrls) {
      const owner = this.#owners.get(typeUrl)
      if (owner !== undefined) {
        throw new Error(
          `filter ${factory.name} cannot implement ${typeUrl}: ${owner} already implements it`,
        )
      }
    }
    if (factory.field !== undefined) {
      const owner = this.#fieldOwners.get(factory.field)
      if (owner !== undefined) {
        throw new Error(
          `filter ${factory.name} cannot implement ${factory.field}: ${owner} already implements it`,
        )
      }
      this.#fieldOwners.set(factory.field, factory.name)
    }
    for (const typeUrl of factory.typeUrls) this.#owners.set(typeUrl, factory.name)
    this.#factories.push(factory)
  }
}

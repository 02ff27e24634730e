import type { FilterFactory } from './filter.ts'

/** The filter factories of this process, in order of registration: the only door for plugins. */
export class FilterRegistry {
  readonly #factories: FilterFactory[] = []
  readonly #owners = new Map<string, string>()

  get factories(): readonly FilterFactory[] {
    return this.#factories
  }

  /** Throws when another factory already implements one of its type URLs: two owners of one filter is a wiring bug. */
  add(factory: FilterFactory): void {
    for (const typeUrl of factory.typeUrls) {
      const owner = this.#owners.get(typeUrl)
      if (owner !== undefined) {
        throw new Error(
          `filter ${factory.name} cannot implement ${typeUrl}: ${owner} already implements it`,
        )
      }
    }
    for (const typeUrl of factory.typeUrls) this.#owners.set(typeUrl, factory.name)
    this.#factories.push(factory)
  }
}

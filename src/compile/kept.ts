import type { Resource } from '../config/resource.ts'

/** What a compilation made of single resources, for the next one to take over. */
export class Kept<Made> {
  #before = new Map<Resource<unknown>, Made>()
  #now = new Map<Resource<unknown>, Made>()

  /** `useful`: false when other settings make everything different. */
  begin(useful: boolean): void {
    if (!useful) this.#before = new Map()
    this.#now = new Map()
  }

  /** What the compilation before made of the resource. */
  before(resource: Resource<unknown>): Made | null {
    return this.#before.get(resource) ?? null
  }

  /** What this compilation has of the resource; `make` is asked when that is nothing yet. */
  now(resource: Resource<unknown>, make: () => Made): Made {
    const present = this.#now.get(resource)
    if (present !== undefined) return present
    const made = make()
    this.#now.set(resource, made)
    return made
  }

  /** Ends the compilation: what it has of resources is what the next one finds. */
  keep(): void {
    this.#before = this.#now
    this.#now = new Map()
  }
}

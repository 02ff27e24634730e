import type { FilterCompileContext } from '../../../src/filters/filter.ts'
import type { Log } from '../redis-store.ts'
import { RateLimitService } from './rate-limit-service.ts'
import type { ServiceEndpoint } from './service-client.ts'
import type { ServiceReference } from './service-reference.ts'

/**
 * The external rate limit services that configuration names. Those of a compilation are kept apart
 * until it is served; then they are connected, and those that are named no more are left.
 */
export class Services {
  readonly #log: Log
  readonly #known = new Map<string, RateLimitService>()
  /** Keys of what the last compilation named. */
  #named = new Set<string>()

  constructor(log: Log) {
    this.#log = log
  }

  /** A compilation begins. */
  begin(): void {
    this.#named = new Set()
  }

  /** The service, or why it cannot be asked. Does no I/O. */
  find(
    { clusterName, target, authority, name }: ServiceReference,
    context: FilterCompileContext,
  ): RateLimitService | string {
    const found = target === null ? context.findService(clusterName) : [target]
    if (typeof found === 'string') return found
    // Envoy calls a cluster by its name, which no server takes for a host when it has bars in it.
    const host = clusterName.slice(clusterName.lastIndexOf('|') + 1)
    const endpoint: ServiceEndpoint = { addresses: found, authority: authority || host }
    const places = found.map(({ host, port }) => `${host}:${port}`).toSorted()
    const key = [endpoint.authority, ...places].join(' ')
    this.#named.add(key)
    let service = this.#known.get(key)
    if (service === undefined) {
      service = new RateLimitService(name, endpoint, this.#log)
      this.#known.set(key, service)
    }
    return service
  }

  /** What was compiled last is served from now on. */
  published(): void {
    for (const [key, service] of this.#known) {
      if (this.#named.has(key)) {
        service.connect()
        continue
      }
      this.#known.delete(key)
      service.retire()
    }
  }

  close(): void {
    for (const service of this.#known.values()) service.close()
    this.#known.clear()
  }
}

import { type Random, systemRandom } from '../../src/base/random.ts'
import type {
  Filter,
  FilterCompileContext,
  FilterFactory,
  FilterLayer,
  FilterSettings,
} from '../../src/filters/filter.ts'
import { Findings } from './fields.ts'
import { LOCAL_RATE_LIMIT, readLocalConfig } from './local-config.ts'
import { ConnectionBuckets, LocalRateLimitFilter } from './local-filter.ts'
import type { MemoryStore } from './memory-store.ts'
import type { RateLimitStats } from './stats.ts'

/** Envoy's local rate limit filter: token buckets in this process, whatever Redis there is. */
export class LocalRateLimitFactory implements FilterFactory {
  readonly name = 'local-rate-limit'
  readonly typeUrls = [LOCAL_RATE_LIMIT] as const
  readonly #store: MemoryStore
  readonly #stats: RateLimitStats
  readonly #random: Random
  readonly #connections = new ConnectionBuckets()

  constructor(store: MemoryStore, stats: RateLimitStats, random: Random = systemRandom) {
    this.#store = store
    this.#stats = stats
    this.#random = random
  }

  compile(settings: FilterSettings, context: FilterCompileContext): Filter | null {
    const byLayer = new Map<FilterLayer, Findings>()
    const found = readLocalConfig(settings, (layer) => {
      const known = byLayer.get(layer) ?? new Findings(context, layer.origin)
      byLayer.set(layer, known)
      return known
    })
    if (found === null || found.config.enabled.share === 0) return null
    const { config, layer } = found
    const { namespace, name } = layer.origin
    return new LocalRateLimitFilter(settings.filterName, {
      config,
      identity: identityOf(settings, layer),
      origin: layer.origin,
      store: this.#store,
      connections: this.#connections,
      stats: this.#stats,
      counts: this.#stats.rule(`${namespace}/${name}`, 'local', 'local'),
      random: this.#random,
    })
  }
}

/** A message of the filter has one bucket per Gateway port; one of a route or virtual host its own. */
function identityOf(settings: FilterSettings, layer: FilterLayer): string {
  const { virtualHostName, routeName } = settings
  const { namespace, name, path } = layer.origin
  const place = `${namespace}/${name} ${path.join('.')}`
  if (layer === settings.listener) {
    return `${place} ${virtualHostName.slice(virtualHostName.lastIndexOf(':') + 1)}`
  }
  const isRoutes = settings.route.includes(layer)
  return `${place} ${virtualHostName}${isRoutes ? ` ${routeName}` : ''}`
}

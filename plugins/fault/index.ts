import { type Random, systemRandom } from '../../src/base/random.ts'
import type { Filter, FilterFactory, FilterSettings } from '../../src/filters/filter.ts'
import { type FaultSetting, readFault } from './config.ts'
import { FaultFilter } from './filter.ts'
import { FaultStats } from './stats.ts'

/** Istio's VirtualService.http.fault. Its counts outlive snapshots. */
export class FaultFactory implements FilterFactory {
  readonly name = 'fault'
  readonly typeUrls = []
  readonly field = 'fault'
  readonly stats = new FaultStats()
  readonly #random: Random

  constructor(random: Random = systemRandom) {
    this.#random = random
  }

  compile(settings: FilterSettings): Filter | null {
    // Istio refuses a fault beside a redirect or a direct response.
    if (settings.action !== 'ROUTE') return null
    // The field's own shape: what does not have it never gets here.
    const plan = readFault(settings.listener.value as FaultSetting)
    return plan === null ? null : new FaultFilter(plan, this.stats, this.#random)
  }
}

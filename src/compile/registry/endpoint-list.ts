import type { EndpointPlan } from '../../clusters/plan.ts'
import type { WorkloadTraits } from './workloads.ts'

/** Collects the endpoints of one port: each address and port once, the first mention wins. */
export class EndpointList {
  readonly #byAddress = new Map<string, EndpointPlan>()

  add(address: string, port: number, weight: number, traits: WorkloadTraits): void {
    const key = `${address} ${port}`
    if (this.#byAddress.has(key)) return
    this.#byAddress.set(key, {
      address,
      port,
      weight: weight > 0 ? weight : 1,
      labels: traits.labels,
      locality: traits.locality,
      ...(traits.identity === undefined ? {} : { identity: traits.identity }),
    })
  }

  addAll(endpoints: readonly EndpointPlan[]): void {
    for (const endpoint of endpoints) {
      this.add(endpoint.address, endpoint.port, endpoint.weight, endpoint)
    }
  }

  get size(): number {
    return this.#byAddress.size
  }

  /** Ordered by address, so that the plan does not depend on the order of the resources. */
  list(): readonly EndpointPlan[] {
    return [...this.#byAddress.values()].toSorted((a, b) =>
      a.address === b.address ? a.port - b.port : a.address < b.address ? -1 : 1,
    )
  }
}

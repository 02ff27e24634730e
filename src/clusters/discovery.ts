import type { Random } from '../base/random.ts'
import type { AddressSource } from '../upstream/dial.ts'
import type { Resolver } from '../upstream/resolver.ts'
import type { ClusterEvent } from './description.ts'
import { DnsWatch } from './dns-watch.ts'
import type { ClusterPlan, EndpointPlan } from './plan.ts'

/** Who wants to know the endpoints. Implemented by the cluster. */
export interface DiscoveryListener {
  readonly name: string
  onEndpoints(plans: readonly EndpointPlan[]): void
  onLookup(ok: boolean): void
  /** The name of an endpoint (DNS_ROUND_ROBIN) has these addresses now. */
  onCandidates(name: string, addresses: readonly string[]): void
  log(event: ClusterEvent): void
}

/** Turns the endpoints of a plan into addresses: as they are, or by following DNS names. */
export class Discovery {
  readonly #resolver: Resolver
  readonly #random: Random
  readonly #listener: DiscoveryListener
  readonly #watches: Map<string, DnsWatch>
  #plan: ClusterPlan | null
  #addresses: string

  constructor(resolver: Resolver, random: Random, listener: DiscoveryListener) {
    this.#resolver = resolver
    this.#random = random
    this.#listener = listener
    this.#watches = new Map()
    this.#plan = null
    this.#addresses = ''
  }

  get ready(): Promise<void> {
    const all = [...this.#watches.values()].map((watch) => watch.ready)
    return Promise.all(all).then(() => undefined)
  }

  /** Names that are still wanted keep their addresses and timers. */
  update(plan: ClusterPlan): void {
    this.#plan = plan
    const names = new Set(plan.discovery === 'static' ? [] : plan.endpoints.map(nameOf))
    for (const [name, watch] of this.#watches) {
      if (names.has(name)) continue
      watch.close()
      this.#watches.delete(name)
    }
    for (const name of names) {
      const { dnsRefreshMs: refreshMs } = plan
      const known = this.#watches.get(name)
      if (known !== undefined) {
        known.refreshMs = refreshMs
        continue
      }
      const onAnswer = (done: DnsWatch): void => this.#onAnswer(done)
      const watch = new DnsWatch(name, this.#resolver, this.#random, { refreshMs, onAnswer })
      this.#watches.set(name, watch)
    }
    const endpoints = this.#resolved(plan)
    this.#addresses = addressList(endpoints)
    this.#listener.onEndpoints(endpoints)
  }

  /**
   * Where new connections of an endpoint go that stands for a name (DNS_ROUND_ROBIN), or null: the
   * endpoint is an address itself.
   */
  sourceOf(address: string): AddressSource | null {
    if (this.#plan === null || this.#plan.discovery !== 'dns-round-robin') return null
    return this.#watches.get(address) ?? null
  }

  /** Stops following; the last addresses stay. */
  close(): void {
    for (const watch of this.#watches.values()) watch.close()
    this.#watches.clear()
  }

  /** Why there are no addresses because of DNS, or null. */
  problem(): string | null {
    if (this.#plan === null || this.#plan.discovery === 'static') return null
    for (const { name, failure, addresses } of this.#watches.values()) {
      if (addresses.length > 0) continue
      return failure === null ? `${name}: not resolved yet` : failure.message
    }
    return null
  }

  failures(): readonly string[] {
    const texts: string[] = []
    for (const { failure } of this.#watches.values())
      if (failure !== null) texts.push(failure.message)
    return texts
  }

  #onAnswer(watch: DnsWatch): void {
    const { name } = this.#listener
    this.#listener.onLookup(watch.failure === null)
    if (watch.failure !== null) {
      const kept = watch.addresses.length
      const message =
        kept === 0 ? 'no addresses yet' : `the last ${kept} good addresses stay in use`
      const reason = watch.failure.message
      this.#listener.log({
        type: 'dns-failed',
        cluster: name,
        endpoint: watch.name,
        reason,
        message,
      })
      return
    }
    if (this.#plan === null) return
    if (this.#plan.discovery === 'dns-round-robin') {
      this.#listener.onCandidates(watch.name, watch.candidates)
    }
    const endpoints = this.#resolved(this.#plan)
    const addresses = addressList(endpoints)
    if (addresses === this.#addresses) return
    this.#addresses = addresses
    const message = `now ${addresses}`
    const reason = 'DNS answer'
    this.#listener.log({
      type: 'endpoints-changed',
      cluster: name,
      endpoint: watch.name,
      reason,
      message,
    })
    this.#listener.onEndpoints(endpoints)
  }

  #resolved(plan: ClusterPlan): readonly EndpointPlan[] {
    if (plan.discovery === 'static') return plan.endpoints
    const resolved: EndpointPlan[] = []
    for (const endpoint of plan.endpoints) {
      const watched = this.#watches.get(nameOf(endpoint))?.addresses ?? []
      if (plan.discovery === 'dns') {
        for (const address of watched) resolved.push({ ...endpoint, address })
      } else if (watched.length > 0) resolved.push(endpoint)
    }
    return resolved
  }
}

function nameOf(endpoint: EndpointPlan): string {
  return endpoint.address
}

/** Canonical, so that a rotated answer is no change. */
function addressList(endpoints: readonly EndpointPlan[]): string {
  return endpoints
    .map(({ address, port }) => `${address} ${port}`)
    .sort()
    .join(', ')
}

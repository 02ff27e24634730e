import type { PassthroughCluster } from '../clusters/passthrough-cluster.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { ExchangeObserver } from './exchange-record.ts'

/**
 * What every exchange of this process shares. `snapshot` is the one pointer that a configuration
 * change replaces; an exchange reads it once and keeps what it read.
 */
export class ProxyRuntime {
  snapshot: Snapshot
  /** Undeclared hosts: every address is judged before it is dialled. */
  readonly passthrough: PassthroughCluster
  /** Declared hosts without endpoints of their own (ServiceEntry resolution NONE). */
  readonly declaredPassthrough: PassthroughCluster
  /** null when nobody listens. */
  observer: ExchangeObserver | null
  /** Uniform in [0, 1): weighted destinations. */
  readonly random: () => number
  /** Exchanges that did not end yet. */
  active: number

  constructor(init: {
    snapshot: Snapshot
    passthrough: PassthroughCluster
    declaredPassthrough: PassthroughCluster
    observer: ExchangeObserver | null
    random: () => number
  }) {
    this.snapshot = init.snapshot
    this.passthrough = init.passthrough
    this.declaredPassthrough = init.declaredPassthrough
    this.observer = init.observer
    this.random = init.random
    this.active = 0
  }
}

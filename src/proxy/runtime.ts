import { randomUUID } from 'node:crypto'
import type { PendingChallenges } from '../base/pending-challenges.ts'
import type { PassthroughCluster } from '../clusters/passthrough-cluster.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { EgressObserver } from './egress-record.ts'
import type { ExchangeObserver } from './exchange-record.ts'
import { Mirrors } from './mirrors.ts'
import { ReplayBudget } from './replay-budget.ts'
import type { TcpObserver } from './tcp-record.ts'
import { TunnelCounts } from './tunnel-counts.ts'

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
  /** Connections of TCP servers; null when nobody listens. */
  tcpObserver: TcpObserver | null
  /** Told of every decision of the egress proxy; null when nobody listens. */
  egressObserver: EgressObserver | null
  /** What ACME servers may ask for; null when no certificate is ordered. */
  challenges: PendingChallenges | null
  /** Uniform in [0, 1): weighted destinations, mirrored shares. */
  readonly random: () => number
  readonly replayBudget: ReplayBudget
  readonly mirrors: Mirrors
  /** What this process calls itself in Via. */
  readonly pseudonym: string
  /** Tunnels of the egress proxy by client. */
  readonly tunnelCounts: TunnelCounts
  /** Our side (`address:port`) of tunnels for redirected TLS: who comes from there is ourselves. */
  readonly ownTunnels: Set<string>
  /** Exchanges that did not end yet. */
  active: number

  constructor(init: {
    snapshot: Snapshot
    passthrough: PassthroughCluster
    declaredPassthrough: PassthroughCluster
    observer: ExchangeObserver | null
    tcpObserver?: TcpObserver | null
    random: () => number
  }) {
    this.snapshot = init.snapshot
    this.passthrough = init.passthrough
    this.declaredPassthrough = init.declaredPassthrough
    this.observer = init.observer
    this.tcpObserver = init.tcpObserver ?? null
    this.egressObserver = null
    this.challenges = null
    this.random = init.random
    this.replayBudget = new ReplayBudget()
    this.mirrors = new Mirrors()
    this.pseudonym = `tidegate-${randomUUID().slice(0, 8)}`
    this.tunnelCounts = new TunnelCounts()
    this.ownTunnels = new Set()
    this.active = 0
  }
}

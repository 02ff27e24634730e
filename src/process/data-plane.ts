import { networkInterfaces } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { FileReserve } from '../base/file-reserve.ts'
import type { ClusterDescription, ClusterEvent } from '../clusters/description.ts'
import { PassthroughCluster } from '../clusters/passthrough-cluster.ts'
import { ClusterRegistry } from '../clusters/registry.ts'
import { connectionLimits } from '../compile/policy/connection-limits.ts'
import type { BindAddress } from '../listeners/bind-address.ts'
import { ConnectionGate } from '../listeners/connection-gate.ts'
import { EgressListener } from '../listeners/egress-listener.ts'
import { FailedHandshakes } from '../listeners/failed-handshakes.ts'
import { type BindFailure, ListenerSet } from '../listeners/listener-set.ts'
import { openFileLimit } from '../listeners/open-files.ts'
import type { GatewayPlugin } from '../http/fastify-server.ts'
import type { EgressObserver } from '../proxy/egress-record.ts'
import type { ExchangeObserver } from '../proxy/exchange-record.ts'
import { ProxyRuntime } from '../proxy/runtime.ts'
import type { TcpObserver } from '../proxy/tcp-record.ts'
import type { MirrorStats } from '../telemetry/mirror-stats.ts'
import type { PendingChallenges } from '../base/pending-challenges.ts'
import type { IssuedCertificates } from '../tls/issued-certificates.ts'
import type { RefusalCounter } from '../telemetry/refusal-counter.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { type CertificateFault, ServerContexts } from '../tls/server-context.ts'
import { AddressGuard } from '../upstream/address-guard.ts'
import { literalRefusal } from '../upstream/literal-refusal.ts'
import { Resolver } from '../upstream/resolver.ts'
import { type BoundListener, boundListeners } from './bound-listeners.ts'
import type { Logger } from './log.ts'
import type { RunOptions } from './run-options.ts'
import { bindOrExplain, StartError } from './start-error.ts'

/** What exchanges that are cut at the end have to be logged in. */
const LAST_WORDS_MS = 1_000

/** Everything that carries traffic: listeners, the proxy's runtime, clusters, name resolution. */
export class DataPlane {
  readonly #log: Logger
  readonly #refusals: RefusalCounter
  readonly #resolver: Resolver
  readonly #registry: ClusterRegistry
  readonly #runtime: ProxyRuntime
  readonly #gate: ConnectionGate
  readonly #contexts: ServerContexts
  /** The last TLS connections that were not served. */
  readonly failedHandshakes = new FailedHandshakes()
  readonly #listeners: ListenerSet
  readonly #egress: EgressListener[] = []
  readonly #guards: readonly AddressGuard[]
  /** Why the egress proxy dials no such undeclared host, told without a lookup; null: it may. */
  readonly egressRefusal: (host: string, port: number) => string | null

  constructor(
    options: RunOptions,
    parts: {
      snapshot: Snapshot
      plugins: readonly GatewayPlugin[]
      observer: ExchangeObserver
      tcpObserver: TcpObserver
      refusals: RefusalCounter
      issued: IssuedCertificates
      log: Logger
    },
  ) {
    const { log } = parts
    const resolver = new Resolver({ servers: options.resolvers })
    const limits = connectionLimits(null, {}, options.limits)
    this.#log = log
    this.#refusals = parts.refusals
    this.#resolver = resolver
    const reserve = new FileReserve(
      openFileLimit(),
      () => this.#runtime.snapshot.mesh.connections.reservedFiles,
    )
    this.#registry = new ClusterRegistry({
      resolver,
      log: (event) => this.#logClusterEvent(event),
      reserve,
    })
    this.#registry.install(parts.snapshot.clusters)
    const guard = egressGuard(options.egressAllow)
    this.egressRefusal = (host, port) => literalRefusal(guard, host, port)
    const declaredGuard = egressGuard(EVERYTHING)
    this.#guards = [guard, declaredGuard]
    this.#runtime = new ProxyRuntime({
      snapshot: parts.snapshot,
      passthrough: new PassthroughCluster({
        resolver,
        guard,
        limits,
        reserve,
      }),
      declaredPassthrough: new PassthroughCluster({
        resolver,
        guard: declaredGuard,
        limits,
        reserve,
      }),
      observer: parts.observer,
      tcpObserver: parts.tcpObserver,
      random: Math.random,
    })
    this.#gate = new ConnectionGate({
      settings: () => this.#runtime.snapshot.mesh.connections,
      onRefused: (reason) => this.#refusals.count('tcp', reason),
      isTrustedProxy: (address) => this.#runtime.snapshot.mesh.trustedPeers?.has(address) === true,
      onExhausted: (exhausted) => this.#logExhausted(exhausted),
      files: reserve,
    })
    this.#contexts = new ServerContexts({
      onProblem: (message) => log.error(message),
      issued: parts.issued,
    })
    this.#listeners = new ListenerSet({
      runtime: this.#runtime,
      gate: this.#gate,
      contexts: this.#contexts,
      plugins: parts.plugins,
      bindings: options.listen,
      onPluginError: (error) => log.error({ err: error }, 'a plugin failed'),
      onHttpRefused: (reason, remoteAddress) => this.#countRefusal(reason, remoteAddress),
      onProxyHeaderRefused: (listener, reason, remoteAddress) => {
        this.#refusals.count('tcp', reason)
        log.debug({ listener, reason, remoteAddress }, 'connection without PROXY header refused')
      },
      onTlsRefused: (listener, failure) => {
        this.#refusals.count('tls', failure.reason)
        this.failedHandshakes.add({ ...failure, listener, atMs: Date.now() })
        log.debug({ listener, ...failure }, 'TLS handshake refused')
      },
    })
  }

  /** Ports of this host that nobody reaches through the egress proxy; undefined: not bound. */
  protect(...ports: readonly (number | undefined)[]): void {
    for (const guard of this.#guards) {
      for (const port of ports) if (port !== undefined) guard.protect(port)
    }
  }

  /** Listeners answer what ACME servers ask of `challenges`; null: nothing is ordered. */
  answerChallenges(challenges: PendingChallenges | null): void {
    this.#runtime.challenges = challenges
  }

  /** Every decision of the egress proxy is told to `observer`. */
  watchEgress(observer: EgressObserver): void {
    this.#runtime.egressObserver = observer
  }

  /** Waits for the first DNS answers, then binds everything or throws StartError. */
  async start(egress: readonly BindAddress[]): Promise<void> {
    await this.#registry.firstLookups()
    const [failure] = await this.#applyListeners(this.snapshot)
    if (failure !== undefined) {
      throw new StartError(
        `a listener cannot bind: ${failure.message}`,
        `Gateway port ${failure.plan.gatewayPorts.join(', ')}`,
        `free the port, or move it with --listen ${failure.plan.gatewayPorts[0]}=[HOST:]PORT`,
      )
    }
    for (const address of egress) {
      const start = (): Promise<EgressListener> =>
        EgressListener.start(address, this.#runtime, this.#gate, (reason, remote) =>
          this.#countRefusal(reason, remote),
        )
      const listener = await bindOrExplain('--egress', address, start)
      this.#egress.push(listener)
      this.protect(listener.address.port)
    }
  }

  /** Serves a new generation. What cannot be bound is returned. */
  async apply(snapshot: Snapshot): Promise<readonly BindFailure[]> {
    this.#registry.install(snapshot.clusters)
    this.#runtime.snapshot = snapshot
    return this.#applyListeners(snapshot)
  }

  #applyListeners(snapshot: Snapshot): Promise<readonly BindFailure[]> {
    const plans = snapshot.listeners.flatMap(({ accept }) =>
      accept.type === 'tls' ? accept.chains.all.map(({ tls }) => tls) : [],
    )
    this.#contexts.keepFaultsOf(plans)
    return this.#listeners.apply(snapshot.listeners, snapshot.mesh.drainDurationMs)
  }

  get snapshot(): Snapshot {
    return this.#runtime.snapshot
  }

  /** Certificates, keys and trust of Gateway servers that cannot be used now. */
  get certificateFaults(): readonly CertificateFault[] {
    return this.#contexts.faults
  }

  get activeExchanges(): number {
    return this.#runtime.active
  }

  /** Copies of requests that are still on their way to mirrors. */
  get activeMirrors(): number {
    return this.#runtime.mirrors.active
  }

  describeMirrors(): MirrorStats {
    const { active, outcomes } = this.#runtime.mirrors
    return { active, outcomes }
  }

  get boundListeners(): readonly BoundListener[] {
    return boundListeners(this.#listeners.listeners, this.#egress)
  }

  describeClusters(): readonly ClusterDescription[] {
    return [...this.#registry.describe(), this.#runtime.passthrough.describe()]
  }

  /** Accepts no more; kept connections end with their current exchange. */
  drain(): void {
    this.#listeners.stopAccepting()
    this.#listeners.drain()
    for (const egress of this.#egress) {
      egress.stopAccepting()
      egress.drain()
    }
  }

  /** Ends every connection of the Gateway listeners. */
  async closeListeners(): Promise<void> {
    await this.#listeners.close()
    await Promise.all(this.#egress.map((egress) => egress.close()))
  }

  async close(): Promise<void> {
    await this.closeListeners()
    this.#gate.close()
    this.#runtime.mirrors.close()
    await this.#registry.close()
    this.#runtime.passthrough.close()
    this.#runtime.declaredPassthrough.close()
    this.#resolver.close()
    await this.#exchangesEnded()
  }

  /** Connections that were cut tell of their end a moment later: logs and ledger have to hear it. */
  async #exchangesEnded(): Promise<void> {
    const deadline = performance.now() + LAST_WORDS_MS
    while (this.activeExchanges > 0 && performance.now() < deadline) await setImmediate()
  }

  #logExhausted(exhausted: boolean): void {
    if (exhausted) {
      this.#log.error('no file can be opened any more (ulimit -n): no connection is accepted')
    } else this.#log.warn('files can be opened again: connections are accepted')
  }

  #countRefusal(reason: string, remoteAddress: string): void {
    this.#refusals.count('http', reason)
    this.#log.debug({ reason, remoteAddress }, 'malformed request refused')
  }

  #logClusterEvent(event: ClusterEvent): void {
    const level = event.type === 'endpoints-changed' ? 'debug' : 'warn'
    this.#log[level]({ cluster: event.cluster, endpoint: event.endpoint }, event.message)
  }
}

const EVERYTHING = ['0.0.0.0/0', '::/0']

/**
 * Loopback, link-local, metadata and this host's own addresses are refused unless `allow` covers
 * them: a request for the egress proxy's own address would come back to it without end.
 */
function egressGuard(allow: readonly string[]): AddressGuard {
  try {
    return new AddressGuard({ allow, ownAddresses: ownAddresses() })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new StartError(message, '--egress-allow', 'write an address block such as 127.0.0.0/8')
  }
}

function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((entries = []) =>
    entries.map(({ address }) => address),
  )
}

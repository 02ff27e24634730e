import { createRateLimit, type RateLimit } from '../../plugins/rate-limit/index.ts'
import { startAdminServer } from '../admin/admin-server.ts'
import type { RunningServer } from '../admin/http-server.ts'
import { startStatusServer } from '../admin/status-server.ts'
import { PassthroughCluster } from '../clusters/passthrough-cluster.ts'
import type { ClusterDescription, ClusterEvent } from '../clusters/description.ts'
import { ClusterRegistry } from '../clusters/registry.ts'
import type { Problem } from '../config/problems.ts'
import { type FileSource, startFileSource } from '../config/sources/file/file-source.ts'
import type { SourceFile } from '../config/store.ts'
import { FilterRegistry } from '../filters/registry.ts'
import { type BindAddress, formatBindAddress } from '../listeners/bind-address.ts'
import { EgressListener } from '../listeners/egress-listener.ts'
import { ListenerSet } from '../listeners/listener-set.ts'
import { ProxyRuntime } from '../proxy/runtime.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { ServerContexts } from '../tls/server-context.ts'
import { AddressGuard } from '../upstream/address-guard.ts'
import { Resolver } from '../upstream/resolver.ts'
import { type BoundListener, boundListeners } from './bound-listeners.ts'
import { Configuration, type LoadedConfiguration } from './configuration.ts'
import type { Logger } from './log.ts'
import { AdminView } from './admin-view.ts'
import { Observability } from './observability.ts'
import { ProblemLog } from './problem-log.ts'
import type { RunOptions } from './run-options.ts'
import { StartError } from './start-error.ts'

/** How often an ending process looks whether everything is idle. */
const IDLE_POLL_MS = 50

/**
 * One running gateway: configuration in, listeners out. `start` resolves when it is ready; `drain`
 * is the orderly end, `close` the immediate one.
 */
export class Gateway {
  readonly #options: RunOptions
  readonly #log: Logger
  readonly #resolver: Resolver
  readonly #registry: ClusterRegistry
  readonly #rateLimit: RateLimit
  readonly #configuration: Configuration
  readonly #problemLog: ProblemLog
  #runtime: ProxyRuntime | null = null
  #listeners: ListenerSet | null = null
  #egress: EgressListener[] = []
  #sources: FileSource[] = []
  #files: readonly SourceFile[] = []
  #problems: readonly Problem[] = []
  #bindProblems: readonly Problem[] = []
  readonly #observability: Observability
  readonly #adminView: AdminView
  #admin: RunningServer | null = null
  #status: RunningServer | null = null
  #turn: Promise<void> = Promise.resolve()
  #lastLoadFailed = false
  #state: GatewayState = 'starting'

  private constructor(options: RunOptions, log: Logger, version: string) {
    this.#options = options
    this.#log = log
    this.#resolver = new Resolver({ servers: options.resolvers })
    this.#registry = new ClusterRegistry({
      resolver: this.#resolver,
      log: (event) => logClusterEvent(log, event),
    })
    this.#rateLimit = createRateLimit({
      redisUrl: options.redisUrl,
      log: (level, message) => log[level](message),
    })
    const filters = new FilterRegistry()
    filters.add(this.#rateLimit.factory)
    this.#configuration = new Configuration({ ...options, filterFactories: filters.factories })
    this.#problemLog = new ProblemLog(log)
    this.#observability = new Observability({
      version,
      namespace: options.namespace,
      accessLogFd: options.accessLogFd,
      log,
      clusters: () => this.describeClusters(),
    })
    this.#adminView = new AdminView(this, this.#observability.metrics, { options, version, log })
  }

  /** Throws StartError when it cannot serve: what, where, what to do. */
  static async start(options: RunOptions, log: Logger, version: string): Promise<Gateway> {
    const gateway = new Gateway(options, log, version)
    try {
      await gateway.#start()
    } catch (error) {
      await gateway.close()
      throw error
    }
    return gateway
  }

  async #start(): Promise<void> {
    const began = performance.now()
    const { config, watch } = this.#options
    const source = await startFileSource({
      paths: config,
      watch,
      onChange: (files) => void this.#apply(files),
    })
    this.#sources.push(source)
    this.#files = await source.read()
    this.#refuseMissingPaths()
    const loaded = this.#configuration.load(this.#files)
    this.#refuseErrors(loaded)
    this.#registry.install(loaded.snapshot.clusters)
    this.#runtime = this.#createRuntime(loaded.snapshot)
    this.#runtime.observer = this.#observability.observer
    await this.#bindManagement()
    this.#listeners = this.#createListeners(this.#runtime)
    if (this.#options.redisUrl === null) {
      this.#log.info('no Redis is configured: rate limits are counted in this process')
    }
    await this.#registry.firstLookups()
    await this.#bindAll(loaded)
    this.#publish(loaded)
    await this.#watchSettings()
    this.#state = 'ready'
    this.#logReady(performance.now() - began)
  }

  #refuseMissingPaths(): void {
    for (const file of this.#files) {
      if (file.error === null || !this.#options.config.includes(file.path)) continue
      throw new StartError(
        `the configuration cannot be read: ${file.error}`,
        file.path,
        'check the path given with -c',
      )
    }
  }

  #refuseErrors(loaded: LoadedConfiguration): void {
    if (!this.#options.strict) return
    const errors = loaded.problems.filter((problem) => problem.severity === 'error')
    if (errors.length === 0) return
    this.#problemLog.update(errors)
    throw new StartError(
      `${errors.length} errors in the configuration, and --strict was given`,
      this.#options.config.join(' '),
      'mend what is logged above, or start without --strict',
    )
  }

  #createRuntime(snapshot: Snapshot): ProxyRuntime {
    const resolver = this.#resolver
    const guard = new AddressGuard({ allow: this.#options.egressAllow })
    const noGuard = new AddressGuard({ allow: ['0.0.0.0/0', '::/0'] })
    return new ProxyRuntime({
      snapshot,
      passthrough: new PassthroughCluster({ resolver, guard }),
      declaredPassthrough: new PassthroughCluster({ resolver, guard: noGuard }),
      observer: null,
      random: Math.random,
    })
  }

  #createListeners(runtime: ProxyRuntime): ListenerSet {
    return new ListenerSet({
      runtime,
      contexts: new ServerContexts({ onProblem: (message) => this.#log.error(message) }),
      plugins: [],
      bindings: this.#options.listen,
      onTlsRefused: (listener, reason, serverName, detail) => {
        this.#log.debug({ listener, reason, serverName, detail }, 'TLS handshake refused')
      },
    })
  }

  async #bindAll(loaded: LoadedConfiguration): Promise<void> {
    const failures = await this.#listeners!.apply(
      loaded.snapshot.listeners,
      loaded.snapshot.mesh.drainDurationMs,
    )
    const failure = failures[0]
    if (failure !== undefined) {
      throw new StartError(
        `a listener cannot bind: ${failure.message}`,
        `Gateway port ${failure.plan.gatewayPorts.join(', ')}`,
        `free the port, or move it with --listen ${failure.plan.gatewayPorts[0]}=[HOST:]PORT`,
      )
    }
    const proxyPort = loaded.mesh.proxyHttpPort
    const fromMesh =
      proxyPort === undefined || proxyPort === 0 ? [] : [{ host: null, port: proxyPort }]
    const addresses = this.#options.egress.length > 0 ? this.#options.egress : fromMesh
    for (const address of addresses) {
      this.#egress.push(await this.#startEgress(address))
    }
  }

  /** Status and admin come first: what goes on during the start can be watched. */
  async #bindManagement(): Promise<void> {
    const { admin, status } = this.#options
    const state = this.#adminView
    if (status !== null)
      this.#status = await bindOrExplain('--status', status, () =>
        startStatusServer({ ...status, state }),
      )
    if (admin !== null)
      this.#admin = await bindOrExplain('--admin', admin, () =>
        startAdminServer({ ...admin, state }),
      )
  }

  async #startEgress(address: BindAddress): Promise<EgressListener> {
    return bindOrExplain('--egress', address, () => EgressListener.start(address, this.#runtime!))
  }

  /** MeshConfig and descriptor files given by flag are followed like the rest. */
  async #watchSettings(): Promise<void> {
    const { meshConfig, rateLimitConfig, watch } = this.#options
    const paths = [meshConfig, rateLimitConfig].filter((path) => path !== null)
    if (paths.length === 0) return
    const source = await startFileSource({
      paths,
      watch,
      onChange: () => void this.#apply(this.#files),
    })
    this.#sources.push(source)
    await source.read()
  }

  /** Changes are applied one after another; each is compiled whole or leaves everything as it was. */
  #apply(files: readonly SourceFile[]): Promise<void> {
    this.#files = files
    this.#turn = this.#turn
      .then(() => this.#applyNow(files))
      .catch((error: unknown) => {
        this.#lastLoadFailed = true
        this.#observability.failed(this.problems)
        this.#log.error(
          { err: error },
          'the configuration could not be applied; the last one keeps serving',
        )
      })
    return this.#turn
  }

  async #applyNow(files: readonly SourceFile[]): Promise<void> {
    if (this.#state === 'closed' || this.#state === 'draining') return
    const began = performance.now()
    const loaded = this.#configuration.load(files)
    if (loaded.changed) {
      this.#registry.install(loaded.snapshot.clusters)
      const runtime = this.#runtime!
      runtime.snapshot = loaded.snapshot
      const failures = await this.#listeners!.apply(
        loaded.snapshot.listeners,
        loaded.snapshot.mesh.drainDurationMs,
      )
      this.#bindProblems = failures.map((failure) =>
        bindProblem(failure.plan.gatewayPorts, failure.message),
      )
    }
    this.#publish(loaded)
    if (!loaded.changed) return
    const { generation } = loaded.snapshot
    this.#log.info(
      { generation, tookMs: Math.round(performance.now() - began) },
      'configuration applied',
    )
  }

  #publish(loaded: LoadedConfiguration): void {
    this.#problems = loaded.problems
    this.#problemLog.update(this.problems)
    this.#observability.serving(loaded.snapshot, this.problems, loaded.changed)
  }

  #logReady(tookMs: number): void {
    this.#log.info(
      {
        generation: this.snapshot?.generation,
        tookMs: Math.round(tookMs),
        listeners: this.boundListeners.map((bound) => `${bound.name} on ${bound.address}`),
        admin: this.adminAddress,
        status: this.statusAddress,
      },
      'ready',
    )
  }

  /** The serving snapshot, or null before the first. */
  get snapshot(): Snapshot | null {
    return this.#runtime === null ? null : this.#runtime.snapshot
  }

  get state(): GatewayState {
    return this.#state
  }

  get problems(): readonly Problem[] {
    return this.#bindProblems.length === 0
      ? this.#problems
      : [...this.#problems, ...this.#bindProblems]
  }

  /** What the runtime knows of each cluster at this moment. */
  describeClusters(): readonly ClusterDescription[] {
    return this.#registry.describe()
  }

  get activeExchanges(): number {
    return this.#runtime?.active ?? 0
  }

  get adminAddress(): string | null {
    return this.#admin === null ? null : formatBindAddress(this.#admin)
  }

  get statusAddress(): string | null {
    return this.#status === null ? null : formatBindAddress(this.#status)
  }

  /** Every socket that accepts traffic, as bound. */
  get boundListeners(): readonly BoundListener[] {
    return boundListeners(this.#listeners?.listeners ?? [], this.#egress)
  }

  /** Reads the sources again (SIGHUP, POST /reload). Resolves when what changed is served; false: it could not be. */
  async reload(reason: string): Promise<boolean> {
    this.#log.info(`reload: ${reason}`)
    this.#lastLoadFailed = false
    for (const source of this.#sources) await source.reload()
    await this.#turn
    return !this.#lastLoadFailed
  }

  /** Stops accepting on every listener; with `graceful` open connections end in their own time. */
  drainListeners(graceful: boolean): void {
    this.#stopAccepting()
    if (!graceful) void this.#listeners?.close()
  }

  #stopAccepting(): void {
    this.#listeners?.stopAccepting()
    this.#listeners?.drain()
    for (const egress of this.#egress) {
      egress.stopAccepting()
      egress.drain()
    }
  }

  /** Ready no more at once; accepts for `delayMs`, then lets exchanges finish until `timeoutMs` is over. */
  async drain(timing: { delayMs: number; timeoutMs: number }): Promise<void> {
    if (this.#state === 'draining' || this.#state === 'closed') return
    this.#state = 'draining'
    await pause(timing.delayMs)
    this.#stopAccepting()
    const deadline = performance.now() + timing.timeoutMs
    while (this.activeExchanges > 0 && performance.now() < deadline) await pause(IDLE_POLL_MS)
    await this.close()
    this.#log.info('bye')
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    for (const source of this.#sources) await source.close()
    await this.#turn
    await this.#listeners?.close()
    for (const egress of this.#egress) await egress.close()
    await this.#observability.close()
    await this.#admin?.close()
    await this.#status?.close()
    await this.#registry.close()
    this.#runtime?.passthrough.close()
    this.#runtime?.declaredPassthrough.close()
    await this.#rateLimit.close()
    this.#resolver.close()
  }
}

export type GatewayState = 'starting' | 'ready' | 'draining' | 'closed'

async function bindOrExplain<T>(
  flag: string,
  address: BindAddress,
  bind: () => Promise<T>,
): Promise<T> {
  try {
    return await bind()
  } catch (error) {
    throw new StartError(
      `cannot bind: ${error instanceof Error ? error.message : String(error)}`,
      `${flag} ${formatBindAddress(address)}`,
      `free the port or choose another one with ${flag} [HOST:]PORT`,
    )
  }
}

function logClusterEvent(log: Logger, event: ClusterEvent): void {
  const quiet = event.type === 'endpoints-changed'
  log[quiet ? 'debug' : 'warn']({ cluster: event.cluster, endpoint: event.endpoint }, event.message)
}

function bindProblem(ports: readonly number[], message: string): Problem {
  return {
    code: 'listener-not-bound',
    severity: 'error',
    ref: null,
    path: [],
    message: `the listener of Gateway port ${ports.join(', ')} cannot bind: ${message}`,
    hint: `free the port, or move it with --listen ${ports[0]}=[HOST:]PORT`,
    file: null,
    line: null,
    column: null,
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

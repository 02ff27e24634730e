import { setTimeout as pause } from 'node:timers/promises'
import { startAdminServer } from '../admin/admin-server.ts'
import type { LoadOutcome } from '../admin/admin-state.ts'
import type { RunningServer } from '../admin/http-server.ts'
import { startStatusServer } from '../admin/status-server.ts'
import type { ClusterDescription } from '../clusters/description.ts'
import type { Problem } from '../config/problems.ts'
import { type FileSource, startFileSource } from '../config/sources/file/file-source.ts'
import type { SourceFile } from '../config/store.ts'
import { formatBindAddress } from '../listeners/bind-address.ts'
import type { RecordedHandshake } from '../listeners/failed-handshakes.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { EgressActivity } from '../telemetry/egress-watch.ts'
import { NO_MIRRORS } from '../telemetry/mirror-stats.ts'
import { AdminView } from './admin-view.ts'
import { bindProblem } from './bind-problem.ts'
import type { BoundListener } from './bound-listeners.ts'
import { BuiltInFilters } from './built-in-filters.ts'
import { Configuration, type LoadedConfiguration } from './configuration.ts'
import { DataPlane } from './data-plane.ts'
import { DnsService } from './dns-service.ts'
import { egressAddresses } from './egress-addresses.ts'
import { EgressWatching } from './egress-watching.ts'
import type { Logger } from './log.ts'
import { Observability } from './observability.ts'
import { loadPlugins } from './plugins.ts'
import { ProblemLog } from './problem-log.ts'
import { RateLimitDesk } from './rate-limit-desk.ts'
import type { RunOptions } from './run-options.ts'
import { ServedCertificates } from './served-certificates.ts'
import { refuseErrors, refuseMissingPaths, refuseUnreadableSettings } from './start-checks.ts'
import { bindOrExplain } from './start-error.ts'

/** How often an ending process looks whether everything is idle. */
const IDLE_POLL_MS = 50
/** How long an ending process that is idle otherwise waits for the rest of its mirrored requests. */
const MIRROR_DRAIN_MS = 2_000

/**
 * One running gateway: configuration in, listeners out. `start` resolves when it is ready; `drain`
 * is the orderly end, `close` the immediate one.
 */
export class Gateway {
  readonly #options: RunOptions
  readonly #log: Logger
  readonly #filters: BuiltInFilters
  readonly #configuration: Configuration
  readonly #problemLog: ProblemLog
  #dataPlane: DataPlane | null = null
  #sources: FileSource[] = []
  #files: readonly SourceFile[] = []
  #problems: readonly Problem[] = []
  #loaded: LoadedConfiguration | null = null
  #bindProblems: readonly Problem[] = []
  readonly certificates: ServedCertificates
  readonly #observability: Observability
  readonly #adminView: AdminView
  /** Rate limits, as people look at them. */
  readonly rateLimits: RateLimitDesk
  #admin: RunningServer | null = null
  #dns: DnsService | null = null
  #status: RunningServer | null = null
  #turn: Promise<void> = Promise.resolve()
  #lastLoadFailed = false
  #lastLoad: LoadOutcome | null = null
  #state: GatewayState = 'starting'

  private constructor(options: RunOptions, log: Logger, version: string) {
    this.#options = options
    this.#log = log
    this.#filters = new BuiltInFilters({
      redisUrl: options.redisUrl,
      log: (level, message) => log[level](message),
      ...(options.rateLimitMode === undefined ? {} : { mode: options.rateLimitMode }),
      serves: options.rateLimitServer !== undefined,
    })
    this.rateLimits = new RateLimitDesk(this.#filters.rateLimit, () => this.snapshot, log)
    this.#configuration = new Configuration({ ...options, ...this.#filters.compilers })
    this.#problemLog = new ProblemLog(log)
    this.#observability = new Observability({
      version,
      namespace: options.namespace,
      accessLogFd: options.accessLogFd,
      log,
      clusters: () => this.describeClusters(),
      ...this.#filters.counts,
      egress: new EgressWatching({
        ledger: options.egressLedger ?? null,
        reportOnly: options.egressControl?.reportOnly ?? false,
        version,
        log,
      }),
      mirrors: () => this.#dataPlane?.describeMirrors() ?? NO_MIRRORS,
      certificates: () => this.certificates.expiries,
      acme: () => this.certificates.acme.counts,
    })
    this.certificates = new ServedCertificates({
      run: options,
      log,
      snapshot: () => this.snapshot,
      faults: () => this.#dataPlane?.certificateFaults ?? [],
      onChange: () => this.#problemLog.update(this.problems),
    })
    this.#adminView = new AdminView(this, this.#observability.metrics, { options, version, log })
  }

  /** Throws StartError when it cannot serve: what, where, what to do. */
  static async start(options: RunOptions, log: Logger, version: string): Promise<Gateway> {
    const gateway = new Gateway(options, log, version)
    const started = gateway.#start()
    // Changes that are noticed meanwhile wait for the start.
    gateway.#turn = started.catch(() => undefined)
    try {
      await started
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
    refuseMissingPaths(this.#files, this.#options)
    const loaded = this.#configuration.load(this.#files)
    refuseUnreadableSettings(loaded.problems, this.#options)
    refuseErrors(loaded.problems, this.#options, (errors) => this.#problemLog.update(errors))
    await this.#bindManagement()
    if (this.#options.redisUrl === null) {
      this.#log.info('no Redis is configured: rate limits are counted in this process')
    }
    this.#dataPlane = new DataPlane(this.#options, {
      snapshot: loaded.snapshot,
      plugins: await loadPlugins(this.#options.plugins),
      observer: this.#observability.observer,
      tcpObserver: this.#observability.tcpObserver,
      refusals: this.#observability.metrics.refusals,
      issued: this.certificates.acme,
      log: this.#log,
    })
    this.#dataPlane.watchEgress(this.#observability.egress.watch)
    this.#dataPlane.protect(this.#admin?.port, this.#status?.port)
    await this.certificates.acme.prepare(loaded.snapshot)
    await this.#dataPlane.start(egressAddresses(this.#options, loaded.mesh))
    this.#dns = await DnsService.start(this.#options, loaded, this.#log)
    this.#dns?.publish(this.#observability.metrics)
    this.#dataPlane.protect(this.#dns?.port)
    this.#publish(loaded)
    this.#dataPlane.protect(await this.#filters.serve(this.#options.rateLimitServer))
    await this.#watchSettings()
    this.#state = 'ready'
    this.#logReady(performance.now() - began)
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
        this.#lastLoad = { ok: false, at: new Date().toISOString() }
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
      const failures = await this.#dataPlane!.apply(loaded.snapshot)
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
    this.#loaded = loaded
    this.#filters.published()
    this.#dns?.update(loaded)
    this.#lastLoad = { ok: true, at: new Date().toISOString() }
    this.#problems = loaded.problems
    this.#dataPlane?.answerChallenges(this.certificates.follow(loaded.snapshot))
    this.#problemLog.update(this.problems)
    this.#observability.serving(loaded.snapshot, this.problems, loaded.changed)
  }

  #logReady(tookMs: number): void {
    this.#log.info(
      {
        generation: this.snapshot?.generation,
        tookMs: Math.round(tookMs),
        listeners: this.boundListeners.map(({ name, type, address, gatewayPorts }) => ({
          name,
          type,
          address,
          gatewayPorts,
        })),
        admin: this.adminAddress,
        status: this.statusAddress,
        dns: this.dnsAddress,
        rateLimitServer: this.rateLimitServerAddress,
      },
      'ready',
    )
  }

  /** The serving snapshot, or null before the first. */
  get snapshot(): Snapshot | null {
    return this.#dataPlane === null ? null : this.#dataPlane.snapshot
  }

  /** What the serving snapshot was made of, or null before the first. */
  get loaded(): LoadedConfiguration | null {
    return this.#loaded
  }

  /** How the last reading of the sources ended, or null before the first. */
  get lastLoad(): LoadOutcome | null {
    return this.#lastLoad
  }

  get state(): GatewayState {
    return this.#state
  }

  get problems(): readonly Problem[] {
    const certificates = this.certificates.problems
    return this.#bindProblems.length === 0 && certificates.length === 0
      ? this.#problems
      : [...this.#problems, ...this.#bindProblems, ...certificates]
  }

  /** What the egress proxy decided of late. */
  get egressActivity(): EgressActivity {
    return this.#observability.egress.watch.activity()
  }

  /** Why the egress proxy dials no such undeclared host, told without a lookup; null: it may. */
  egressRefusal(host: string, port: number): string | null {
    return this.#dataPlane === null ? null : this.#dataPlane.egressRefusal(host, port)
  }

  /** TLS connections that were not served of late, newest first. */
  get failedHandshakes(): readonly RecordedHandshake[] {
    return this.#dataPlane === null ? [] : this.#dataPlane.failedHandshakes.all
  }

  /** What the runtime knows of each cluster at this moment. */
  describeClusters(): readonly ClusterDescription[] {
    return this.#dataPlane === null ? [] : this.#dataPlane.describeClusters()
  }

  get activeExchanges(): number {
    return this.#dataPlane === null ? 0 : this.#dataPlane.activeExchanges
  }

  get adminAddress(): string | null {
    return this.#admin === null ? null : formatBindAddress(this.#admin)
  }

  get statusAddress(): string | null {
    return this.#status === null ? null : formatBindAddress(this.#status)
  }

  get dnsAddress(): string | null {
    return this.#dns?.address ?? null
  }

  get rateLimitServerAddress(): string | null {
    return this.#filters.serverAddress
  }

  /** Every socket that accepts traffic, as bound. */
  get boundListeners(): readonly BoundListener[] {
    return this.#dataPlane === null ? [] : this.#dataPlane.boundListeners
  }

  /** Reads the sources again (SIGHUP, POST /reload). Resolves when what changed is served; false: it could not be. */
  async reload(reason: string): Promise<boolean> {
    this.#log.info(`reload: ${reason}`)
    this.#observability.reopenLog()
    this.#lastLoadFailed = false
    for (const source of this.#sources) await source.reload()
    await this.#turn
    return !this.#lastLoadFailed
  }

  /** Stops accepting on every listener; with `graceful` open connections end in their own time. */
  drainListeners(graceful: boolean): void {
    this.#dataPlane?.drain()
    if (!graceful) void this.#dataPlane?.closeListeners()
  }

  /** Ready no more at once; accepts for `delayMs`, then lets exchanges finish until `timeoutMs` is over. */
  async drain(timing: { delayMs: number; timeoutMs: number }): Promise<void> {
    if (this.#state === 'draining' || this.#state === 'closed') return
    this.#state = 'draining'
    this.#filters.leave()
    await pause(timing.delayMs)
    this.#dataPlane?.drain()
    this.#filters.drain(timing.timeoutMs)
    const deadline = performance.now() + timing.timeoutMs
    while (this.#isBusy && performance.now() < deadline) await pause(IDLE_POLL_MS)
    await this.#mirrorsIdle(Math.min(deadline, performance.now() + MIRROR_DRAIN_MS))
    await this.close()
    this.#log.info('bye')
  }

  async #mirrorsIdle(deadline: number): Promise<void> {
    while ((this.#dataPlane?.activeMirrors ?? 0) > 0 && performance.now() < deadline) {
      await pause(IDLE_POLL_MS)
    }
  }

  /** Idle connections count too: each has a moment for a request that may be on its way. */
  get #isBusy(): boolean {
    return (
      this.#filters.isAsked ||
      this.activeExchanges > 0 ||
      this.boundListeners.some(({ connections }) => connections > 0)
    )
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    await this.certificates.close()
    for (const source of this.#sources) await source.close()
    await this.#turn
    await this.#filters.rateLimit.refuseWaiting()
    await this.#dataPlane?.close()
    await this.#observability.close()
    await this.#dns?.close()
    await this.#admin?.close()
    await this.#status?.close()
    await this.#filters.close()
  }
}

export type GatewayState = 'starting' | 'ready' | 'draining' | 'closed'

import type {
  AdminState,
  BoundListener,
  CertificateDescription,
  FixedLimit,
  HandshakeDescription,
  LifecycleState,
  LoadOutcome,
  RateLimitActivity,
  ReloadOutcome,
  ServerInfo,
} from '../admin/admin-state.ts'
import type { ServedConfiguration } from '../admin/describe-resources.ts'
import type { ClusterDescription } from '../clusters/description.ts'
import { LIMITS } from '../compile/limits/limit-table.ts'
import { shownLimit } from '../compile/limits/limit-text.ts'
import type { Problem } from '../config/problems.ts'
import { CallProblem, type ExplainCall } from '../explain/call.ts'
import { type DnsReport, dnsReport } from '../explain/dns-records.ts'
import { Explainer } from '../explain/explainer.ts'
import type { Explanation } from '../explain/explanation.ts'
import { explainLimits } from '../explain/limit-explainer.ts'
import type { LimitExplanation } from '../explain/limit-explanation.ts'
import type {
  HotLimit,
  LimitReset,
  LimitResetOutcome,
  LimitResetProblem,
} from '../filters/limit-report.ts'
import { formatBindAddress } from '../listeners/bind-address.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { EgressActivity } from '../telemetry/egress-watch.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { LoadedConfiguration } from './configuration.ts'
import { FIXED_LIMITS } from './fixed-limits.ts'
import type { Gateway } from './gateway.ts'
import type { Logger } from './log.ts'
import { LOG_LEVELS, type RunOptions } from './run-options.ts'

/** The gateway as the admin API sees and steers it. */
export class AdminView implements AdminState {
  readonly metrics: Metrics
  readonly #gateway: Gateway
  readonly #options: RunOptions
  readonly #version: string
  readonly #log: Logger
  readonly #startedAt = new Date()
  /** Made when it is first asked for, for what is served then. */
  #explainer: Explainer | null = null
  #explained: LoadedConfiguration | null = null
  #failed = false
  #drained = false

  constructor(
    gateway: Gateway,
    metrics: Metrics,
    setup: { options: RunOptions; version: string; log: Logger },
  ) {
    this.#gateway = gateway
    this.metrics = metrics
    this.#options = setup.options
    this.#version = setup.version
    this.#log = setup.log
  }

  lifecycle(): LifecycleState {
    const state = this.#gateway.state
    if (state === 'starting') return 'PRE_INITIALIZING'
    if (state !== 'ready' || this.#drained) return 'DRAINING'
    return this.#failed ? 'HEALTHCHECK_FAILED' : 'LIVE'
  }

  snapshot(): Snapshot | null {
    return this.#gateway.snapshot
  }

  served(): ServedConfiguration | null {
    return this.#gateway.loaded
  }

  lastLoad(): LoadOutcome | null {
    return this.#gateway.lastLoad
  }

  problems(): readonly Problem[] {
    return this.#gateway.problems
  }

  explain(call: ExplainCall): Explanation | CallProblem | null {
    return this.#explainerNow()?.explain(call) ?? null
  }

  async explainLimits(call: ExplainCall): Promise<LimitExplanation | CallProblem | null> {
    const trace = this.#explainerNow()?.trace(call) ?? null
    if (trace === null || trace instanceof CallProblem) return trace
    return explainLimits(trace, { set: this.#gateway.loaded?.set ?? null, look: true })
  }

  hotLimits(): Promise<readonly HotLimit[]> {
    return this.#gateway.rateLimits.hotLimits()
  }

  resetLimits(asked: LimitReset): Promise<LimitResetOutcome | LimitResetProblem> {
    return this.#gateway.rateLimits.reset(asked)
  }

  /** null before the first snapshot. */
  #explainerNow(): Explainer | null {
    const loaded = this.#gateway.loaded
    if (loaded === null) return null
    if (this.#explained !== loaded || this.#explainer === null) {
      const { snapshot, set, settings } = loaded
      const problems = this.problems()
      const boundNow = (): readonly BoundListener[] => this.boundListeners()
      const failedNow = (): readonly HandshakeDescription[] => this.failedHandshakes()
      this.#explainer = new Explainer({
        snapshot,
        set,
        settings,
        problems,
        live: true,
        addressRefusal: (host, port) => this.#gateway.egressRefusal(host, port),
        get bound() {
          return boundNow()
        },
        get failedHandshakes() {
          return failedNow()
        },
      })
      this.#explained = loaded
    }
    return this.#explainer
  }

  boundListeners(): readonly BoundListener[] {
    const byName = new Map<string, BoundListener & { addresses: string[] }>()
    for (const { name, type, address, gatewayPorts } of this.#gateway.boundListeners) {
      const known = byName.get(name)
      if (known === undefined) byName.set(name, { name, type, addresses: [address], gatewayPorts })
      else known.addresses.push(address)
    }
    return [...byName.values()]
  }

  clusters(): readonly ClusterDescription[] {
    return this.#gateway.describeClusters()
  }

  egress(): EgressActivity {
    return this.#gateway.egressActivity
  }

  dns(advertise: readonly string[]): DnsReport | null {
    const loaded = this.#gateway.loaded
    if (loaded === null) return null
    const own = this.#options.dns?.advertise ?? []
    return dnsReport({ ...loaded, advertise: advertise.length > 0 ? advertise : own })
  }

  rateLimits(): RateLimitActivity {
    return this.#gateway.rateLimits.activity
  }

  certificates(): readonly CertificateDescription[] {
    return this.#gateway.certificates.described
  }

  failedHandshakes(): readonly HandshakeDescription[] {
    return this.#gateway.failedHandshakes.map(({ atMs, ...handshake }) => ({
      at: new Date(atMs).toISOString(),
      ...handshake,
    }))
  }

  serverInfo(): ServerInfo {
    return {
      version: this.#version,
      nodeVersion: process.versions.node,
      pid: process.pid,
      startedAt: this.#startedAt.toISOString(),
      uptimeSeconds: Math.round(process.uptime()),
      options: shownOptions(this.#options),
    }
  }

  fixedLimits(): readonly FixedLimit[] {
    return FIXED_LIMITS
  }

  logLevel(): string {
    return this.#log.level
  }

  setLogLevel(level: string): boolean {
    const known = LOG_LEVELS.find((name) => name === level)
    if (known === undefined) return false
    this.#log.level = known
    return true
  }

  async reload(): Promise<ReloadOutcome> {
    const before = this.#gateway.snapshot?.generation ?? 0
    const ok = await this.#gateway.reload('POST /reload')
    const generation = this.#gateway.snapshot?.generation ?? 0
    return { ok, changed: generation !== before, generation }
  }

  drain(graceful: boolean): void {
    this.#drained = true
    this.#gateway.drainListeners(graceful)
  }

  failHealthcheck(failed: boolean): void {
    this.#failed = failed
  }

  /** As SIGTERM. */
  quit(): void {
    process.kill(process.pid, 'SIGTERM')
  }
}

function shownOptions(options: RunOptions): ServerInfo['options'] {
  const dns = options.dns?.listen ?? null
  return {
    config: options.config,
    watch: options.watch,
    labels: options.labels.map((labels) =>
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
    ),
    namespace: options.namespace,
    domain: options.domain,
    locality: options.locality,
    resolvers: options.resolvers,
    dns: dns === null ? '' : formatBindAddress(dns),
    advertise: options.dns?.advertise ?? [],
    egressAllow: options.egressAllow,
    egressLedger: options.egressLedger?.path ?? '',
    egressMode: options.egressControl?.reportOnly === true ? 'report' : 'enforce',
    egressUnknownClients: options.egressControl?.refuseUnknown === true ? 'refuse' : 'allow',
    egressUsers: options.egressControl?.users ?? '',
    meshConfig: options.meshConfig ?? '',
    redis: options.redisUrl === null ? '' : withoutCredentials(options.redisUrl),
    rateLimitConfig: options.rateLimitConfig ?? '',
    acmeDirectory: options.acme?.directory ?? '',
    acmeStore: acmeStoreOf(options),
    compat: options.compat,
    limits: [...options.limits].map(
      ([name, value]) => `${name}=${shownLimit(LIMITS[name], value)}`,
    ),
    strict: options.strict,
    drainTimeoutMs: options.drainTimeoutMs,
    drainDelayMs: options.drainDelayMs,
  }
}

function acmeStoreOf({ acme }: RunOptions): string {
  const store = acme?.store ?? null
  return store === null || store === 'redis' ? (store ?? '') : store.folder
}

/** `redis://user:password@host:6379/0` without what stands before the `@`. */
function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//')
}

import type {
  AdminState,
  BoundListener,
  CertificateDescription,
  LifecycleState,
  ReloadOutcome,
  ServerInfo,
} from '../admin/admin-state.ts'
import type { ClusterDescription } from '../clusters/description.ts'
import type { Problem } from '../config/problems.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { describeCertificates } from './certificates.ts'
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

  problems(): readonly Problem[] {
    return this.#gateway.problems
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

  certificates(): readonly CertificateDescription[] {
    const snapshot = this.#gateway.snapshot
    return snapshot === null ? [] : describeCertificates(snapshot)
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
    resolvers: options.resolvers,
    egressAllow: options.egressAllow,
    meshConfig: options.meshConfig ?? '',
    redis: options.redisUrl === null ? '' : withoutCredentials(options.redisUrl),
    rateLimitConfig: options.rateLimitConfig ?? '',
    compat: options.compat,
    strict: options.strict,
    drainTimeoutMs: options.drainTimeoutMs,
    drainDelayMs: options.drainDelayMs,
  }
}

/** `redis://user:password@host:6379/0` without what stands before the `@`. */
function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//')
}

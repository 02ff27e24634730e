import type { ClusterDescription } from '../clusters/description.ts'
import type { Problem } from '../config/problems.ts'
import { invariants } from '../http/message-writer.ts'
import type { ExchangeObserver } from '../proxy/exchange-record.ts'
import type { MeshSettings } from '../snapshot/mesh-settings.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { AccessLog } from '../telemetry/access-log.ts'
import type { AcmeCounts } from '../telemetry/acme-stats.ts'
import type { CertificateExpiry } from '../telemetry/certificate-stats.ts'
import { compileFormat } from '../telemetry/log-format.ts'
import { LogSink } from '../telemetry/log-sink.ts'
import { Metrics } from '../telemetry/metrics.ts'
import type { FaultCounts } from '../telemetry/fault-stats.ts'
import type { JwtCounts } from '../telemetry/jwt-stats.ts'
import type { RateLimitCounts } from '../telemetry/rate-limit-stats.ts'
import type { RateLimitStoreState } from '../telemetry/rate-limit-store.ts'
import type { MirrorStats } from '../telemetry/mirror-stats.ts'
import { ObserverList } from '../telemetry/observer-list.ts'
import { TcpTelemetry } from '../telemetry/tcp-telemetry.ts'
import type { EgressWatching } from './egress-watching.ts'
import type { Logger } from './log.ts'

const STANDARD_OUTPUT = '/dev/stdout'

/** Metrics and access log of one gateway: told of every exchange and of every generation. */
export class Observability {
  readonly metrics: Metrics
  readonly observer: ExchangeObserver
  readonly tcpObserver: TcpTelemetry
  readonly egress: EgressWatching
  readonly #accessLog: AccessLog
  readonly #stdoutFd: number
  readonly #log: Logger
  #sink: LogSink
  /** A file that could not be opened: said once. */
  #unusable = ''

  constructor(options: {
    version: string
    namespace: string
    accessLogFd: number
    log: Logger
    clusters: () => readonly ClusterDescription[]
    mirrors: () => MirrorStats
    certificates: () => readonly CertificateExpiry[]
    acme: () => AcmeCounts
    faults: FaultCounts
    jwt: JwtCounts
    rateLimits: () => readonly RateLimitCounts[]
    rateLimitStore: () => RateLimitStoreState
    egress: EgressWatching
  }) {
    const { egress } = options
    this.egress = egress
    this.#log = options.log
    this.#stdoutFd = options.accessLogFd
    this.#sink = LogSink.open(STANDARD_OUTPUT, options.accessLogFd)
    this.#accessLog = new AccessLog(this.#sink.writer, null)
    const source = { namespace: options.namespace }
    this.tcpObserver = new TcpTelemetry(source, this.#accessLog)
    this.metrics = new Metrics({
      source,
      tcp: this.tcpObserver,
      version: options.version,
      startedAtMs: Date.now(),
      clusterStats: options.clusters,
      mirrorStats: options.mirrors,
      certificates: options.certificates,
      acme: options.acme,
      faults: options.faults,
      jwt: options.jwt,
      rateLimits: options.rateLimits,
      rateLimitStore: options.rateLimitStore,
      egress: (registry) => egress.counts.publish(registry, egress.ledger, egress.reportOnly),
      droppedLogLines: () => this.#accessLog.dropped,
      invariantViolations: () => invariants.violations,
    })
    this.observer = new ObserverList([this.metrics, this.#accessLog])
  }

  /** A load ended well; `snapshot` serves. */
  serving(snapshot: Snapshot, problems: readonly Problem[], changed: boolean): void {
    this.#setAccessLog(snapshot.mesh)
    this.metrics.configurationServing(snapshot.generation, snapshot.listeners.length)
    if (changed) this.metrics.configurationLoaded(true, countsOf(problems))
  }

  /** A load failed as a whole; what served before still does. */
  failed(problems: readonly Problem[]): void {
    this.metrics.configurationLoaded(false, countsOf(problems))
  }

  #setAccessLog(mesh: MeshSettings): void {
    const { accessLog } = mesh
    if (!accessLog.enabled) {
      this.#accessLog.setFormat(null)
      return
    }
    this.#followFile(accessLog.file)
    const { format, errors } = compileFormat(accessLog)
    for (const error of errors)
      this.#log.error(`MeshConfig accessLogFormat: ${error}; the default format is used`)
    this.#accessLog.setFormat(format)
  }

  /** Opens the log file anew if it was rotated away (SIGHUP, POST /reload). */
  reopenLog(): void {
    if (this.#sink.moved) this.#followFile(this.#sink.path)
    this.egress.reopen()
  }

  #followFile(path: string): void {
    if (path === this.#sink.path && !this.#sink.moved) return
    const sink = this.#openSink(path)
    if (sink === null) return
    const before = this.#sink
    this.#sink = sink
    this.#accessLog.setWriter(sink.writer)
    void before.close()
  }

  #openSink(path: string): LogSink | null {
    try {
      const sink = LogSink.open(path, this.#stdoutFd)
      this.#unusable = ''
      return sink
    } catch (error) {
      if (this.#unusable !== path) {
        const reason = error instanceof Error ? error.message : String(error)
        this.#log.error(
          `MeshConfig accessLogFile cannot be opened: ${reason}; the log goes to ${this.#sink.path}`,
        )
      }
      this.#unusable = path
      return null
    }
  }

  async close(): Promise<void> {
    await this.egress.close()
    await this.#sink.close()
  }
}

function countsOf(problems: readonly Problem[]): { error: number; warning: number; info: number } {
  const counts = { error: 0, warning: 0, info: 0 }
  for (const problem of problems) counts[problem.severity]++
  return counts
}

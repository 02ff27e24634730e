import type { ClusterDescription } from '../clusters/description.ts'
import type { Problem } from '../config/problems.ts'
import type { ExchangeObserver } from '../proxy/exchange-record.ts'
import type { MeshSettings } from '../snapshot/mesh-settings.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { AccessLog } from '../telemetry/access-log.ts'
import { compileFormat } from '../telemetry/log-format.ts'
import { LogWriter } from '../telemetry/log-writer.ts'
import { Metrics } from '../telemetry/metrics.ts'
import { ObserverList } from '../telemetry/observer-list.ts'
import type { Logger } from './log.ts'

/** Metrics and access log of one gateway: told of every exchange and of every generation. */
export class Observability {
  readonly metrics: Metrics
  readonly observer: ExchangeObserver
  readonly #accessLog: AccessLog
  readonly #log: Logger

  constructor(options: {
    version: string
    namespace: string
    accessLogFd: number
    log: Logger
    clusters: () => readonly ClusterDescription[]
  }) {
    this.#log = options.log
    this.#accessLog = new AccessLog(new LogWriter(options.accessLogFd), null)
    this.metrics = new Metrics({
      source: { namespace: options.namespace },
      version: options.version,
      startedAtMs: Date.now(),
      clusterStats: options.clusters,
      droppedLogLines: () => this.#accessLog.dropped,
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
    const { format, errors } = compileFormat(accessLog)
    for (const error of errors)
      this.#log.error(`MeshConfig accessLogFormat: ${error}; the default format is used`)
    this.#accessLog.setFormat(format)
  }

  close(): Promise<void> {
    return this.#accessLog.close()
  }
}

function countsOf(problems: readonly Problem[]): { error: number; warning: number; info: number } {
  const counts = { error: 0, warning: 0, info: 0 }
  for (const problem of problems) counts[problem.severity]++
  return counts
}

import { hostname } from 'node:os'
import { EgressLedger } from '../telemetry/egress-ledger.ts'
import { EgressNotices } from '../telemetry/egress-notices.ts'
import { EgressCounts } from '../telemetry/egress-stats.ts'
import { EgressWatch } from '../telemetry/egress-watch.ts'
import type { Logger } from './log.ts'
import type { LedgerSettings } from './run-options.ts'
import { StartError } from './start-error.ts'

/** Ledger, counts and notices of the egress proxy of one process. */
export class EgressWatching {
  readonly counts = new EgressCounts()
  readonly watch: EgressWatch
  readonly ledger: EgressLedger | null
  readonly reportOnly: boolean

  /** Throws StartError when the ledger cannot be opened: a proxy that should keep one does not run without. */
  constructor(init: {
    readonly ledger: LedgerSettings | null
    readonly reportOnly: boolean
    readonly version: string
    readonly log: Logger
  }) {
    const { log, reportOnly, ledger } = init
    this.reportOnly = reportOnly
    this.ledger = ledger === null ? null : openLedger(ledger, init.version, log)
    this.watch = new EgressWatch({
      counts: this.counts,
      notices: new EgressNotices((fields, message) => log.warn(fields, message)),
      ledger:
        ledger === null || this.ledger === null ? null : { writer: this.ledger, path: ledger.path },
      reportOnly,
    })
    if (!reportOnly) return
    log.warn('--egress-mode report: egress that REGISTRY_ONLY would block passes and is recorded')
  }

  reopen(): void {
    this.ledger?.reopen()
  }

  async close(): Promise<void> {
    await this.ledger?.close()
  }
}

function openLedger(settings: LedgerSettings, version: string, log: Logger): EgressLedger {
  try {
    return new EgressLedger({
      path: settings.path,
      maxBytes: settings.maxBytes,
      identity: {
        version,
        machine: hostname(),
        pid: process.pid,
        startedAt: new Date().toISOString(),
      },
      log: (level, message) => log[level](message),
    })
  } catch (error) {
    throw new StartError(
      `the egress ledger cannot be opened: ${error instanceof Error ? error.message : String(error)}`,
      `--egress-ledger ${settings.path}`,
      'name a file in a folder that can be written, or move a damaged ledger away',
    )
  }
}

import type { EgressObserver, EgressRecord } from '../proxy/egress-record.ts'
import type { EgressLedger } from './egress-ledger.ts'
import { type EgressLine, egressLine, remedy } from './egress-line.ts'
import type { EgressNotices } from './egress-notices.ts'
import type { EgressCounts } from './egress-stats.ts'
import { isRefused, TopRefusals } from './egress-top.ts'

/** Decisions that /egress shows. */
const RECENT = 256

/** What the admin API tells of the egress proxy. */
export interface EgressActivity {
  readonly mode: 'enforce' | 'report'
  /** Where the chain of the ledger stands; null without a ledger. */
  readonly ledger: {
    readonly path: string
    readonly seq: number
    readonly hash: string
    readonly lost: number
  } | null
  /** Refused, or what would be: the most frequent first. */
  readonly refused: readonly RefusedPair[]
  /** The latest first. */
  readonly recent: readonly EgressLine[]
}

export interface RefusedPair {
  readonly host: string
  readonly port: number
  readonly client: string
  readonly verdict: string
  readonly count: number
  readonly countError: number
  readonly firstSeen: string
  readonly lastSeen: string
  readonly remedy: string
}

/** Tells everybody who wants to know of the decisions of the egress proxy. */
export class EgressWatch implements EgressObserver {
  readonly #counts: EgressCounts
  readonly #notices: EgressNotices
  readonly #ledger: { readonly writer: EgressLedger; readonly path: string } | null
  readonly #reportOnly: boolean
  readonly #top = new TopRefusals()
  readonly #recent: EgressLine[] = []
  #next = 0

  constructor(init: {
    counts: EgressCounts
    notices: EgressNotices
    ledger: { readonly writer: EgressLedger; readonly path: string } | null
    reportOnly: boolean
  }) {
    this.#counts = init.counts
    this.#notices = init.notices
    this.#ledger = init.ledger
    this.#reportOnly = init.reportOnly
  }

  onEgressEnd(record: EgressRecord): void {
    this.#counts.count(record)
    const line = egressLine(record)
    if (this.#ledger !== null) this.#ledger.writer.add(line)
    this.#recent[this.#next] = line
    this.#next = (this.#next + 1) % RECENT
    if (!isRefused(line)) return
    this.#top.add(line)
    this.#notices.notice(line)
  }

  activity(): EgressActivity {
    const ledger = this.#ledger
    return {
      mode: this.#reportOnly ? 'report' : 'enforce',
      ledger:
        ledger === null
          ? null
          : { path: ledger.path, ...ledger.writer.head, lost: ledger.writer.lost },
      refused: this.#top.top().map(({ last, ...pair }) => ({ ...pair, remedy: remedy(last) })),
      recent: this.#latestFirst(),
    }
  }

  #latestFirst(): readonly EgressLine[] {
    const oldestFirst = [...this.#recent.slice(this.#next), ...this.#recent.slice(0, this.#next)]
    return oldestFirst.toReversed()
  }
}

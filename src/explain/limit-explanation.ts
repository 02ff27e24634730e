import type { LimitReport, ReportedRule } from '../filters/limit-report.ts'
import type { ExplainedOutcome, ExplainedRequest, Place } from './explanation.ts'

/** A rule held against the request, with the places where it stands. */
export type ExplainedLimitRule = Omit<ReportedRule, 'origin' | 'limitOrigin' | 'limitLine'> & {
  /** The rule, `rate_limits` entry or filter message. */
  readonly place: Place | null
  /** The limit, where it stands elsewhere (a descriptor file). */
  readonly limitPlace: Place | null
  /** 1-based line of the limit within the text at `limitPlace`, or null. */
  readonly limitLine: number | null
}

export type ExplainedLimits = Omit<LimitReport, 'rules'> & {
  readonly rules: readonly ExplainedLimitRule[]
}

/** Which rate limits a request meets, and what it would get. Field names are stable. */
export interface LimitExplanation {
  readonly generation: number
  /** Counters are those of a running gateway at this moment. */
  readonly live: boolean
  readonly request: ExplainedRequest | null
  /** Where the request goes when no limit refuses it. */
  readonly outcome: ExplainedOutcome
  /** The winning rule; null: there is none, so nothing is limited. */
  readonly route: Place | null
  /** `none`: no limit applies; `unknown`: no counters were asked. */
  readonly decision: 'none' | 'allow' | 'deny' | 'unknown'
  /** Of a denial, else null. */
  readonly status: number | null
  /** Filters that limit, in order of execution. */
  readonly filters: readonly ExplainedLimits[]
}

import type { SettingOrigin } from './filter.ts'

/** A counter as it stands, and what one more such request would get. */
export interface LimitState {
  /** Units taken. */
  readonly used: number
  readonly remaining: number
  /** The request does not fit. */
  readonly over: boolean
  /** Milliseconds until it would; 0 when it does. */
  readonly retryMs: number
  /** Milliseconds until the whole quota is there again. */
  readonly resetMs: number
}

/** One limit that a request meets. */
export interface ReportedLimit {
  /** Name of the counter, as `tidegate limit top` shows it. */
  readonly key: string
  readonly algorithm: 'fixedWindow' | 'slidingWindow' | 'gcra'
  readonly requests: number
  readonly periodMs: number
  readonly burst: number
  /** Units the request takes. */
  readonly cost: number
  /** null: nobody looked, or the counters could not be asked. */
  readonly state: LimitState | null
}

/** One rule (or `rate_limits` entry, or local descriptor) held against a request. */
export interface ReportedRule {
  /** `namespace/name` of a RateLimitPolicy or EnvoyFilter, or the domain of a descriptor file. */
  readonly policy: string
  /** The rule or limit that is hit; null: none. */
  readonly rule: string | null
  /** Where the rule or the `rate_limits` entry stands; file and line may be missing. */
  readonly origin: SettingOrigin | null
  /** Descriptor entries, or the values that tell counters apart. */
  readonly entries: readonly (readonly [key: string, value: string])[]
  /** A limit is asked about the request. */
  readonly applies: boolean
  /** Why none is, or null. */
  readonly reason: string | null
  /** Counts, and refuses nobody. */
  readonly shadow: boolean
  /** Where the limit stands, if elsewhere than `origin`. */
  readonly limitOrigin: SettingOrigin | null
  /** 1-based line within the text at `limitOrigin`, or null. */
  readonly limitLine: number | null
  readonly limits: readonly ReportedLimit[]
}

/** What one filter's rate limits say about a request. Nothing is charged for it. */
export interface LimitReport {
  readonly filter: string
  readonly kind: 'global' | 'local' | 'policy'
  /** Settings that change what follows: shares, failure modes. */
  readonly notes: readonly string[]
  readonly rules: readonly ReportedRule[]
  /** What the request would get now; `unknown`: no counter was looked at. */
  readonly decision: 'allow' | 'deny' | 'unknown'
  /** Of a denial, else null. */
  readonly status: number | null
}

/** A counter that is met near or over its limit, with its state of now. */
export interface HotLimit {
  /** Name of the counter, as in Redis without its prefix. */
  readonly key: string
  readonly kind: LimitReport['kind']
  readonly policy: string
  readonly rule: string
  /** `clear`: there is room again; `unknown`: not asked, `used` and `remaining` are as last met. */
  readonly status: 'over' | 'near' | 'clear' | 'unknown'
  readonly algorithm: ReportedLimit['algorithm']
  readonly requests: number
  readonly periodMs: number
  readonly burst: number
  /** Units that fit at once. */
  readonly limit: number
  readonly used: number
  readonly remaining: number
  /** Milliseconds until the whole quota is there again. */
  readonly resetMs: number
  /** Requests that found it near or over its limit: at most `countError` too many. */
  readonly count: number
  readonly countError: number
  /** Requests among them that did not fit a limit that enforces. */
  readonly denied: number
  /** Requests among them that did not fit a shadow limit. */
  readonly wouldDeny: number
  /** ISO 8601. */
  readonly lastSeen: string
}

/** Counters to forget. Either `key`, or one of `policy` and `domain`. */
export interface LimitReset {
  /** Name of one counter. */
  readonly key: string | null
  /** `namespace/name` of a RateLimitPolicy, or of the EnvoyFilter of a local limit. */
  readonly policy: string | null
  /** Domain of a descriptor file. */
  readonly domain: string | null
  /** null: all rules. */
  readonly rule: string | null
  /** Which counter of rules that have one for each value; empty: none is named. */
  readonly entries: readonly (readonly [key: string, value: string])[]
  /** Those too that were met near or over their limit here. */
  readonly hot: boolean
}

export interface LimitResetOutcome {
  /** Counters that were named. */
  readonly counters: number
  /** Of those, how many there were. */
  readonly reset: number
  /** Names of the counters. */
  readonly keys: readonly string[]
  /** Rules whose counters cannot be named, and why. */
  readonly skipped: readonly { readonly rule: string; readonly reason: string }[]
  /** Other replicas may deny for so long from memory, milliseconds; null: counters are in this process. */
  readonly othersRecheckMs: number | null
}

/** Why nothing was reset. */
export class LimitResetProblem {
  /** `wrong`: the request makes no sense; `unknown`: there is no such thing; `away`: no counters. */
  readonly kind: 'wrong' | 'unknown' | 'away'
  readonly message: string
  readonly hint: string

  constructor(kind: LimitResetProblem['kind'], message: string, hint: string) {
    this.kind = kind
    this.message = message
    this.hint = hint
  }
}

/** `spec` of a RateLimitPolicy, validated. Names and defaults are those of the resource. */
export interface PolicySpec {
  readonly algorithm?: AlgorithmName
  readonly onFailure?: OnFailure
  readonly timeout?: string
  readonly response?: {
    readonly headers?: HeaderStyle
    readonly problemJson?: boolean
    readonly ruleHeader?: boolean
  }
  readonly upstream?: UpstreamSpec
  readonly rules?: readonly RuleSpec[]
}

/** What hosts of the target say of their own limits. */
export interface UpstreamSpec {
  readonly obey?: boolean
  readonly maxDelay?: string
  readonly queue?: QueueSpec
}

export interface QueueSpec {
  readonly maxWait?: string
  readonly maxRequests?: number
}

export type AlgorithmName = 'gcra' | 'fixedWindow' | 'slidingWindow'
export type OnFailure = 'local' | 'allow' | 'deny'
export type HeaderStyle = 'draft-03' | 'ietf' | 'none'

export interface RuleSpec {
  readonly name?: string
  readonly match?: MatchSpec
  readonly limits?: readonly LimitSpec[]
  readonly cost?: CostSpec
  readonly shadow?: boolean
  readonly queue?: QueueSpec
}

export interface LimitSpec {
  readonly requests?: number
  readonly per?: string
  readonly burst?: number
  readonly lease?: { readonly maximum?: number }
  readonly algorithm?: AlgorithmName
}

export interface CostSpec {
  readonly number?: number
  readonly header?: string
  readonly maximum?: number
}

export interface MatchSpec {
  readonly headers?: Readonly<Record<string, ValueSpec>>
  readonly queryParams?: Readonly<Record<string, ValueSpec>>
  readonly claims?: Readonly<Record<string, ValueSpec>>
  readonly method?: ValueSpec
  readonly path?: ValueSpec
  readonly source?: SourceSpec
}

export interface ValueSpec {
  readonly exact?: string
  readonly prefix?: string
  readonly regex?: string
  readonly invert?: boolean
  readonly distinct?: boolean
}

export interface SourceSpec {
  readonly cidrs?: readonly string[]
  readonly invert?: boolean
  readonly distinct?: boolean
  readonly ipv4PrefixLength?: number
  readonly ipv6PrefixLength?: number
}

/** One policy as the compiler hands it over. */
export interface PolicySettings {
  readonly namespace: string
  readonly name: string
  readonly spec: PolicySpec
}

/** The parts of `/config_dump` that are read here; docs/admin-api.md has every field. */
export interface ConfigDump {
  readonly generation: number
  /** Absent before the first snapshot, as every other part. */
  readonly listeners?: readonly DumpedListener[]
  readonly routes?: readonly DumpedTable[]
  readonly clusters?: readonly DumpedCluster[]
  readonly egress?: DumpedEgress
}

export interface DumpedListener {
  readonly name: string
  readonly gatewayPorts: readonly number[]
  readonly targetPort: number
  readonly bind: string | null
  readonly type: 'http' | 'tls' | 'tcp'
  readonly routeTable: string | null
  readonly chains: readonly DumpedChain[]
  readonly tcp: DumpedTcp | null
}

export interface DumpedTcp {
  readonly destinations: readonly { readonly cluster: string }[]
}

export interface DumpedChain {
  readonly name: string
  readonly hosts: readonly string[]
  /** null: no HTTP is spoken. */
  readonly routeTable: string | null
  /** Where bytes go instead; null: nowhere. */
  readonly tcp?: DumpedTcp | null
}

export interface DumpedTable {
  readonly name: string
  readonly virtualHosts: readonly DumpedVirtualHost[]
}

export interface DumpedVirtualHost {
  readonly name: string
  readonly domains: readonly string[]
  readonly routes: readonly DumpedRoute[]
}

export interface DumpedRoute {
  readonly name: string
  readonly origin: { readonly kind: string; readonly namespace: string; readonly name: string }
  readonly match: DumpedMatch | null
  readonly action: { readonly type: string }
}

/** `{prefix: /api}` */
export type DumpedMatcher = Readonly<Record<string, string>>

export interface DumpedMatch {
  readonly uri: DumpedMatcher | null
  readonly scheme: DumpedMatcher | null
  readonly method: DumpedMatcher | null
  readonly authority: DumpedMatcher | null
  readonly headers: readonly DumpedCondition[]
  readonly withoutHeaders: readonly DumpedCondition[]
  readonly queryParams: readonly DumpedCondition[]
}

export interface DumpedCondition {
  readonly name: string
  readonly match: DumpedMatcher | null
}

export interface DumpedCluster {
  readonly name: string
  readonly discovery: string
  readonly destinationRules?: readonly string[]
  readonly endpoints: readonly {
    readonly address: string
    readonly port: number
    readonly weight: number
    readonly locality: string
  }[]
}

export interface DumpedEgress {
  readonly policy: string
  readonly http: readonly {
    readonly port: number
    readonly virtualHosts: readonly DumpedVirtualHost[]
  }[]
  /** What clients of some namespaces see otherwise; `*`: all that are not named. */
  readonly clients?: readonly {
    readonly namespaces: readonly string[]
    readonly http: DumpedEgress['http']
  }[]
  readonly unknownHost: DumpedVirtualHost
}

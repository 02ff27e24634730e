/** One endpoint as the admin API shows it. */
export interface EndpointDescription {
  /** `address:port` */
  readonly address: string
  readonly weight: number
  readonly labels: Readonly<Record<string, string>>
  readonly locality: string
  /** Failover level of localityLbSetting, 0 first. */
  readonly priority?: number
  /** Below `weight` while the endpoint warms up. */
  readonly effectiveWeight?: number
  /** `unhealthy`: its health checks fail. `ejected` goes first. */
  readonly health: 'healthy' | 'ejected' | 'unhealthy'
  /** State of its active health checks, or null: it is not asked. */
  readonly healthCheck: 'pending' | 'healthy' | 'unhealthy' | null
  /** Why the latest health check failed, or ''. */
  readonly healthCheckFailure: string
  /** Milliseconds until the sweep may bring an ejected endpoint back; 0 when healthy. */
  readonly returnsInMs: number
  readonly ejections: number
  readonly consecutive5xx: number
  readonly consecutiveGatewayErrors: number
  readonly consecutiveLocalOriginFailures: number
  readonly activeRequests: number
  readonly activeConnections: number
  /** Why the latest connect or TLS handshake failed, or ''. */
  readonly lastConnectFailure: string
  /** rq_total, rq_success, rq_error, cx_total, cx_connect_fail */
  readonly counters: Readonly<Record<string, number>>
}

/** One cluster as the admin API shows it. */
export interface ClusterDescription {
  readonly name: string
  readonly protocol: 'http1' | 'http2' | 'tcp'
  readonly discovery: 'static' | 'dns' | 'dns-round-robin'
  readonly policy: string
  /** No longer named by the configuration; its last connections are ending. */
  readonly retired: boolean
  /** minHealthPercent is not reached: ejected endpoints get requests too. */
  readonly panic: boolean
  /** Names whose latest lookup failed, with the reason. */
  readonly dnsFailures: readonly string[]
  /** Why TLS material could not be loaded, or ''. */
  readonly tlsProblem: string
  readonly endpoints: readonly EndpointDescription[]
  /** By Envoy's names, without `upstream_`. */
  readonly counters: Readonly<Record<string, number>>
}

/** Something that happened to a cluster, for the process log. */
export interface ClusterEvent {
  readonly type:
    | 'ejected'
    | 'ejection-refused'
    | 'returned'
    | 'panic'
    | 'panic-over'
    | 'dns-failed'
    | 'check-failed'
    | 'check-passed'
    | 'endpoints-changed'
  readonly cluster: string
  /** `address:port`, a DNS name, or ''. */
  readonly endpoint: string
  readonly reason: string
  /** With the numbers that decided, for people. */
  readonly message: string
}

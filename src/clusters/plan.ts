import type { UpstreamTlsPlan } from '../tls/plan.ts'
import type { ProxyHeaderVersion } from '../upstream/proxy-header.ts'
import type { UpstreamWire } from '../upstream/upstream-wire.ts'
import type { TunnelPlan } from '../upstream/wrapped-tunnel.ts'
import type { Cluster } from './cluster.ts'
import type { HealthCheckPlan } from './health/plan.ts'
import type { RetryLimits } from './retry-gate.ts'

/** MeshConfig dnsRefreshRate. */
const DEFAULT_DNS_REFRESH_MS = 60_000

/** One address of a cluster as configuration gives it. */
export interface EndpointPlan {
  /** IP address, or a DNS name when the cluster's discovery is DNS, or an absolute unix socket path. */
  readonly address: string
  /** 0 for a unix socket. */
  readonly port: number
  /** Positive; 1 when configuration says nothing. */
  readonly weight: number
  readonly labels: Readonly<Record<string, string>>
  /** `region/zone/subzone`, or ''. */
  readonly locality: string
  /** Failover level, 0 first (localityLbSetting). Absent: 0. */
  readonly priority?: number
  /** `ns/NAMESPACE/sa/ACCOUNT`: as whom its workload runs (Pod serviceAccountName). Absent: unknown. */
  readonly identity?: string
  /** What its locality as a whole weighs (localityLbSetting.distribute). Absent: endpoints share by their own weights. */
  readonly localityWeight?: number
}

export type HashKeyPlan =
  | { readonly from: 'header'; readonly name: string }
  | {
      readonly from: 'cookie'
      readonly name: string
      readonly path: string | null
      /** Milliseconds; null: never generate; 0: session cookie. */
      readonly ttlMs: number | null
      readonly attributes: readonly { readonly name: string; readonly value: string }[]
    }
  | { readonly from: 'source-ip' }
  | { readonly from: 'query'; readonly name: string }

/** DestinationRule loadBalancer.warmup: a new endpoint's share grows over the duration. */
export interface WarmupPlan {
  readonly durationMs: number
  /** 0..100 of its weight, from the first moment. */
  readonly minimumPercent: number
  /** At least 1; 1 grows linearly, more grows faster at the beginning. */
  readonly aggression: number
}

export type LoadBalancerPlan =
  | { readonly policy: 'least-request'; readonly warmup?: WarmupPlan }
  | { readonly policy: 'round-robin'; readonly warmup?: WarmupPlan }
  | { readonly policy: 'random' }
  | { readonly policy: 'ring-hash'; readonly key: HashKeyPlan; readonly minimumRingSize: number }
  | { readonly policy: 'maglev'; readonly key: HashKeyPlan; readonly tableSize: number }

/** Mirrors DestinationRule outlierDetection. */
export interface OutlierPlan {
  /** 0 = off. */
  readonly consecutive5xx: number
  /** 0 = off. Also set from the deprecated `consecutiveErrors`. */
  readonly consecutiveGatewayErrors: number
  readonly splitLocalOrigin: boolean
  readonly consecutiveLocalOriginFailures: number
  readonly intervalMs: number
  readonly baseEjectionTimeMs: number
  /** 0..100 */
  readonly maxEjectionPercent: number
  /** 0..100; 0 = no panic routing. */
  readonly minHealthPercent: number
  /** Ignore maxEjectionPercent for the first ejection when two or more endpoints exist. Off under --compat. */
  readonly alwaysEjectOne: boolean
  /** Statuses that count as errors (outlierDetectionHttpErrorCodes). Absent: every 5xx. */
  readonly errorCodes?: readonly number[]
}

export interface ConnectionLimits {
  /** 0 = unlimited for every count. */
  readonly maxConnections: number
  readonly maxPendingRequests: number
  readonly maxRequests: number
  readonly maxRequestsPerConnection: number
  readonly connectTimeoutMs: number
  /** Upstream connection without an active stream. 0 = never. */
  readonly idleTimeoutMs: number
  /** TCP tunnels without a byte in either direction. 0 = never. */
  readonly tcpIdleTimeoutMs: number
  /** Age at which a connection takes no further request, and a raw tunnel is cut. Absent or 0: none. */
  readonly maxConnectionDurationMs?: number
  readonly tcpKeepaliveMs: number
  /** Between probes, and how many go unanswered; absent: the operating system's. */
  readonly tcpKeepaliveIntervalMs?: number
  readonly tcpKeepaliveProbes?: number
  /** Unsent bytes of an upstream connection before writers wait. */
  readonly bufferBytes: number
  /** Absent: the defaults of the wire. */
  readonly wire?: UpstreamWire
}

/** Labels of istio_* metrics that a cluster decides. */
export interface DestinationLabels {
  /** FQDN host, or `unknown`. */
  readonly service: string
  /** Short name (`web-svc`), `PassthroughCluster`, `BlackHoleCluster` or `unknown`. */
  readonly serviceName: string
  readonly serviceNamespace: string
  /**
   * Namespace of the egress clients that reach the service by this cluster, because another
   * DestinationRule is theirs; `*`: all without one of their own; absent: everybody else.
   */
  readonly clientNamespace?: string
}

/**
 * One cluster as configuration describes it: data only, except `runtime`, which the cluster
 * registry binds once before the snapshot that holds the plan is published.
 */
export class ClusterPlan {
  /**
   * Envoy's name in Istio: `outbound|8080|v1|web-svc.default.svc.cluster.local`, with a fifth part
   * where it is for clients of one namespace. Identity of the runtime state.
   */
  readonly name: string
  readonly destination: DestinationLabels
  /** How requests are framed to the endpoints. */
  readonly protocol: 'http1' | 'http2' | 'tcp'
  /**
   * `static`: addresses as given; `dns`: each address of a name is an endpoint; `dns-round-robin`:
   * the name is, and each new connection goes to the first address of the latest answer.
   */
  readonly discovery: 'static' | 'dns' | 'dns-round-robin'
  readonly endpoints: readonly EndpointPlan[]
  readonly loadBalancer: LoadBalancerPlan
  readonly limits: ConnectionLimits
  readonly outlier: OutlierPlan | null
  /** null: retries are not limited. */
  readonly retries: RetryLimits | null
  readonly tls: UpstreamTlsPlan | null
  /** `protocol` is for clients of HTTP/1; those of HTTP/2 get it upstream too (useClientProtocol). */
  readonly clientProtocol: boolean
  /** Longest pause between lookups of a name that fails. Mirrors MeshConfig dnsRefreshRate. */
  readonly dnsRefreshMs: number
  /** null: endpoints are not asked whether they are well. */
  readonly healthCheck: HealthCheckPlan | null
  /** A PROXY header for the client in front of every connection; null: none. */
  readonly proxyProtocol: ProxyHeaderVersion | null
  /** Raw tunnels go through the endpoints, which are HTTP proxies; null: to them. */
  readonly tunnel: TunnelPlan | null
  runtime: Cluster | null

  constructor(init: {
    name: string
    destination: DestinationLabels
    protocol: 'http1' | 'http2' | 'tcp'
    discovery: 'static' | 'dns' | 'dns-round-robin'
    endpoints: readonly EndpointPlan[]
    loadBalancer: LoadBalancerPlan
    limits: ConnectionLimits
    outlier: OutlierPlan | null
    retries?: RetryLimits | null
    tls: UpstreamTlsPlan | null
    clientProtocol?: boolean
    dnsRefreshMs?: number
    healthCheck?: HealthCheckPlan | null
    proxyProtocol?: ProxyHeaderVersion | null
    tunnel?: TunnelPlan | null
  }) {
    this.name = init.name
    this.destination = init.destination
    this.protocol = init.protocol
    this.discovery = init.discovery
    this.endpoints = init.endpoints
    this.loadBalancer = init.loadBalancer
    this.limits = init.limits
    this.outlier = init.outlier
    this.retries = init.retries ?? null
    this.tls = init.tls
    this.clientProtocol = init.clientProtocol ?? false
    this.dnsRefreshMs = init.dnsRefreshMs ?? DEFAULT_DNS_REFRESH_MS
    this.healthCheck = init.healthCheck ?? null
    this.proxyProtocol = init.proxyProtocol ?? null
    this.tunnel = init.tunnel ?? null
    this.runtime = null
  }
}

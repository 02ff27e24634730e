import type { UpstreamTlsPlan } from '../tls/plan.ts'
import type { Cluster } from './cluster.ts'

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

export type LoadBalancerPlan =
  | { readonly policy: 'least-request' }
  | { readonly policy: 'round-robin' }
  | { readonly policy: 'random' }
  | { readonly policy: 'ring-hash'; readonly key: HashKeyPlan; readonly minimumRingSize: number }
  | { readonly policy: 'maglev'; readonly key: HashKeyPlan; readonly tableSize: number }

/** Mirrors DestinationRule outlierDetection; istio-api 9.25. */
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
  readonly tcpKeepaliveMs: number
  /** Unsent bytes of an upstream connection before writers wait. */
  readonly bufferBytes: number
}

/** Labels of istio_* metrics that a cluster decides. */
export interface DestinationLabels {
  /** FQDN host, or `unknown`. */
  readonly service: string
  /** Short name (`web-svc`), `PassthroughCluster`, `BlackHoleCluster` or `unknown`. */
  readonly serviceName: string
  readonly serviceNamespace: string
}

/**
 * One cluster as configuration describes it: data only, except `runtime`, which the cluster
 * registry binds once before the snapshot that holds the plan is published.
 */
export class ClusterPlan {
  /** Envoy's name in Istio: `outbound|8080|v1|web-svc.default.svc.cluster.local`. Identity of the runtime state. */
  readonly name: string
  readonly destination: DestinationLabels
  /** How requests are framed to the endpoints. */
  readonly protocol: 'http1' | 'http2' | 'tcp'
  /** `static`: addresses as given; `dns`: all addresses of each name; `dns-round-robin`: first address of each lookup. */
  readonly discovery: 'static' | 'dns' | 'dns-round-robin'
  readonly endpoints: readonly EndpointPlan[]
  readonly loadBalancer: LoadBalancerPlan
  readonly limits: ConnectionLimits
  readonly outlier: OutlierPlan | null
  readonly tls: UpstreamTlsPlan | null
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
    tls: UpstreamTlsPlan | null
  }) {
    this.name = init.name
    this.destination = init.destination
    this.protocol = init.protocol
    this.discovery = init.discovery
    this.endpoints = init.endpoints
    this.loadBalancer = init.loadBalancer
    this.limits = init.limits
    this.outlier = init.outlier
    this.tls = init.tls
    this.runtime = null
  }
}

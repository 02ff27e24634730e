import type { DownstreamConnection } from '../http/exchange.ts'
import type { Headers } from '../http/headers.ts'
import type { Request } from '../http/request.ts'
import type { ClusterPlan } from '../clusters/plan.ts'

/**
 * What telemetry may read of a finished exchange. The proxy's Exchange is one: nothing is copied
 * for it, and it is valid only until `onExchangeEnd` returns.
 */
export interface ExchangeRecord {
  readonly direction: 'ingress' | 'egress'
  readonly connection: DownstreamConnection
  /** As forwarded or answered (after rewrites). */
  readonly request: Request
  /** As the client sent them. */
  readonly originalPath: string
  readonly originalAuthority: string
  readonly requestId: string
  /** x-forwarded-for as sent upstream, or null. */
  readonly forwardedFor: string | null
  readonly clientAddress: string
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number
  /** performance.now() at start and end, milliseconds. */
  readonly startedMonotonicMs: number
  readonly endedMonotonicMs: number
  /** Milliseconds from the head sent upstream to the head received, or -1. */
  readonly upstreamServiceTimeMs: number
  /** 0 when the client left before any answer. */
  readonly status: number
  /** Comma-joined response flags, or '-'. */
  readonly flags: string
  /** Envoy's response code details: `via_upstream`, `route_not_found`, ... or ''. */
  readonly details: string
  readonly transportFailure: string
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly responseHeaders: Headers | null
  /** `address:port`, or ''. */
  readonly upstreamHost: string
  readonly upstreamLocal: string
  /** null when no cluster was chosen (404, redirect, direct response). */
  readonly cluster: ClusterPlan | null
  /** `PassthroughCluster`, `BlackHoleCluster`, the cluster's name, or ''. */
  readonly clusterName: string
  readonly routeName: string
  /** grpc-status of trailers or headers, or ''. */
  readonly grpcStatus: string
  /** For CONNECT and absolute-form requests: the host the client asked for, with port. */
  readonly destinationHost: string
}

/** Called once for each exchange, in the tick it ends. Must not throw or keep the record. */
export interface ExchangeObserver {
  onExchangeEnd(record: ExchangeRecord): void
}

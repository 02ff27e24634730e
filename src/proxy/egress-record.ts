import type { RouteOrigin } from '../routing/route.ts'
import type { DeclaredHost, EgressClient, OutboundPolicy } from '../snapshot/egress-control.ts'

/**
 * `passthrough`: undeclared, and the policy is ALLOW_ANY. `guarded`: refused whatever the policy is,
 * for the address or port it leads to, or a TLS server name of another host. `would-block`: passed only because of `--egress-mode report`.
 */
export type EgressVerdict = 'allowed' | 'passthrough' | 'blocked' | 'guarded' | 'would-block'

/** How the client asked. */
export type EgressKind = 'http' | 'connect' | 'tls' | 'socks'

/**
 * One decision of the egress proxy and what came of it, told once at its end. Valid only until
 * `onEgressEnd` returns.
 */
export interface EgressRecord {
  readonly kind: EgressKind
  /** '' for what is not HTTP. */
  readonly method: string
  /** Lower-case name or address without brackets, as the client asked: untrusted text. */
  readonly askedHost: string
  readonly askedPort: number
  readonly client: EgressClient
  readonly clientAddress: string
  /** In force for this client. */
  readonly policy: OutboundPolicy
  readonly verdict: EgressVerdict
  /** The Sidecar, or `exportTo of KIND NAMESPACE/NAME`, that hides the host from this client, or ''. */
  readonly hiddenBy: string
  /** Who declares the host on this port, as far as the client may see it; null: nobody. */
  readonly declaration: DeclaredHost | null
  /** The resource that decided, or null. */
  readonly rule: RouteOrigin | null
  readonly clusterName: string
  /** `address:port` that was reached or tried last, or ''. */
  readonly upstreamHost: string
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number
  readonly durationMs: number
  /** From the client, and to it. */
  readonly bytesReceived: number
  readonly bytesSent: number
  /** HTTP status, or 0. */
  readonly status: number
  readonly flags: string
  readonly details: string
}

/** Must not throw or keep the record. */
export interface EgressObserver {
  onEgressEnd(record: EgressRecord): void
}

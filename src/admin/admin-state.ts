import type { ClusterDescription } from '../clusters/description.ts'
import type { Problem } from '../config/problems.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'

/** Where the process is in its life; `LIVE` alone takes traffic from load balancers. */
export type LifecycleState =
  | 'PRE_INITIALIZING' // no snapshot serves yet
  | 'LIVE'
  | 'DRAINING' // shutting down, or listeners drained by hand
  | 'HEALTHCHECK_FAILED' // readiness failed by hand

/** One bound listener. */
export interface BoundListener {
  /** Listener key (`*:8080`) or `egress`. */
  readonly name: string
  readonly type: 'http' | 'tls' | 'tcp' | 'egress'
  /** `127.0.0.1:8080`, `[::]:8080` */
  readonly addresses: readonly string[]
  /** Gateway server ports served here; empty for egress. */
  readonly gatewayPorts: readonly number[]
}

/** A served certificate. There is no field for a key. */
export interface CertificateDescription {
  /** Where it comes from: `kubernetes://istio-system/shop-cert` or a path. */
  readonly name: string
  /** Listener chains or clusters that use it. */
  readonly usedBy: readonly string[]
  readonly subject: string
  readonly issuer: string
  readonly subjectAltNames: readonly string[]
  readonly serialNumber: string
  /** SHA-256 of the DER, hex. */
  readonly fingerprint: string
  /** ISO 8601. */
  readonly notBefore: string
  readonly notAfter: string
  /** Why it could not be loaded, or ''. */
  readonly problem: string
}

export interface ServerInfo {
  readonly version: string
  readonly nodeVersion: string
  readonly pid: number
  /** ISO 8601. */
  readonly startedAt: string
  readonly uptimeSeconds: number
  /** Flags as understood; no secrets (URLs without credentials). */
  readonly options: Readonly<Record<string, string | number | boolean | readonly string[]>>
}

export interface ReloadOutcome {
  /** False: nothing could be read, the snapshot before still serves. */
  readonly ok: boolean
  readonly changed: boolean
  readonly generation: number
}

/** What the metrics endpoint needs (telemetry's Metrics is one). */
export interface MetricsSource {
  readonly contentType: string
  exposition(): Promise<string>
}

/** All that the admin API can see and do. Implemented by the process. */
export interface AdminState {
  readonly metrics: MetricsSource
  lifecycle(): LifecycleState
  /** The serving snapshot, or null before the first. */
  snapshot(): Snapshot | null
  /** Findings of the last load. */
  problems(): readonly Problem[]
  boundListeners(): readonly BoundListener[]
  /** Runtime state of every cluster, PassthroughCluster included. */
  clusters(): readonly ClusterDescription[]
  certificates(): readonly CertificateDescription[]
  serverInfo(): ServerInfo
  logLevel(): string
  /** False: there is no such level. */
  setLogLevel(level: string): boolean
  /** Reads all sources again. */
  reload(): Promise<ReloadOutcome>
  /** Stops accepting. `graceful`: connections end in their own time, up to the drain timeout. */
  drain(graceful: boolean): void
  /** Fails (true) or restores (false) readiness without touching traffic. */
  failHealthcheck(failed: boolean): void
  /** Ends the process as SIGTERM does. */
  quit(): void
}

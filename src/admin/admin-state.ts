import type { ClusterDescription } from '../clusters/description.ts'
import type { Problem } from '../config/problems.ts'
import type { CallProblem, ExplainCall } from '../explain/call.ts'
import type { DnsReport } from '../explain/dns-records.ts'
import type { Explanation } from '../explain/explanation.ts'
import type { LimitExplanation } from '../explain/limit-explanation.ts'
import type {
  HotLimit,
  LimitReset,
  LimitResetOutcome,
  LimitResetProblem,
} from '../filters/limit-report.ts'
import type { EgressActivity } from '../telemetry/egress-watch.ts'
import type { RateLimitCounts } from '../telemetry/rate-limit-stats.ts'
import type { RateLimitStoreState } from '../telemetry/rate-limit-store.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { ServedConfiguration } from './describe-resources.ts'

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
  /** How it is ordered by ACME; absent: it is not. */
  readonly order?: OrderDescription
}

/** How a certificate that is ordered by ACME stands. */
export interface OrderDescription {
  /** URL of the ACME server's directory. */
  readonly directory: string
  /** `http-01` or `tls-alpn-01`. */
  readonly challenge: string
  /** `not-ordered`: no store is given. `failed`: the last order did, another one will follow. */
  readonly state: 'not-ordered' | 'pending' | 'ordering' | 'valid' | 'failed'
  /** When it is renewed, ISO 8601, or ''. */
  readonly renewAt: string
  /** When it is tried again after a failure, ISO 8601, or ''. */
  readonly nextAttemptAt: string
  readonly lastError: string
}

/** A TLS connection that was not served. */
export interface HandshakeDescription {
  /** ISO 8601. */
  readonly at: string
  /** Listener as bound. */
  readonly listener: string
  readonly remoteAddress: string
  /** `no-server-name-match`, `no-certificate`, `client-certificate`, ... */
  readonly reason: string
  readonly detail: string
  /** SNI, or null. */
  readonly serverName: string | null
  readonly alpn: readonly string[]
  /** The server chain chosen by the name, or null. */
  readonly chain: string | null
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

/** A limit that is part of the program. */
export interface FixedLimit {
  readonly name: string
  /** A count or bytes; durations as text (`60s`). */
  readonly value: number | string
  readonly meaning: string
}

/** How the last reading of the sources ended. */
export interface LoadOutcome {
  /** False: it could not be applied as a whole, the snapshot before still serves. */
  readonly ok: boolean
  /** ISO 8601. */
  readonly at: string
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

/** Where rate limits are counted, and what became of requests that met them. */
export interface RateLimitActivity {
  readonly store: RateLimitStoreState
  /** `shadowed`: would have been denied by a limit that only looks on. */
  readonly rules: readonly RateLimitCounts[]
  /** Counters met near or over their limits, the most frequent first; bounded. */
  readonly hotKeys: readonly HotLimitKey[]
}

/** A counter that is used up, or soon will be. */
export interface HotLimitKey {
  /** As in Redis, without its prefix. */
  readonly key: string
  readonly policy: string
  readonly rule: string
  /** Requests that found it near or over its limit, at most `countError` too many. */
  readonly count: number
  readonly countError: number
  /** Requests among them that did not fit. */
  readonly over: number
  readonly limit: number
  readonly remaining: number
  /** ISO 8601. */
  readonly lastSeen: string
}

/** All that the admin API can see and do. Implemented by the process. */
export interface AdminState {
  readonly metrics: MetricsSource
  lifecycle(): LifecycleState
  /** The serving snapshot, or null before the first. */
  snapshot(): Snapshot | null
  /** What the snapshot was compiled from, or null before the first. */
  served(): ServedConfiguration | null
  lastLoad(): LoadOutcome | null
  /** Findings of the last load. */
  problems(): readonly Problem[]
  boundListeners(): readonly BoundListener[]
  /** Runtime state of every cluster, PassthroughCluster included. */
  clusters(): readonly ClusterDescription[]
  /** What the egress proxy decided of late; absent: there is none. */
  egress?(): EgressActivity
  /** Where rate limits are counted and what each rule did; absent: nothing limits here. */
  rateLimits?(): RateLimitActivity
  /** Counters met near or over their limit, as they stand now, the worst first. */
  hotLimits?(): Promise<readonly HotLimit[]>
  /** Which limits a request meets, charging nothing; null before the first snapshot. */
  explainLimits?(call: ExplainCall): Promise<LimitExplanation | CallProblem | null>
  /** Forgets counters. */
  resetLimits?(asked: LimitReset): Promise<LimitResetOutcome | LimitResetProblem>
  /** Records of Gateway hosts; `advertise` stands in for what was given at the start. null: no configuration yet. */
  dns?(advertise: readonly string[]): DnsReport | null
  certificates(): readonly CertificateDescription[]
  /** The last that failed, newest first. */
  failedHandshakes(): readonly HandshakeDescription[]
  /** Why a request would go where it goes; null before the first snapshot. */
  explain(call: ExplainCall): Explanation | CallProblem | null
  serverInfo(): ServerInfo
  fixedLimits(): readonly FixedLimit[]
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

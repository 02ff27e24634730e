import type { CompileSettings } from '../compile/compile-input.ts'
import type { Problem } from '../config/problems.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { ClusterView } from './cluster-view.ts'
import type { Elsewhere } from './elsewhere.ts'
import type { ExplainedFailure, Explanation } from './explanation.ts'
import type { Decided } from './decided.ts'
import type { BoundSocket } from './gateway-listener.ts'
import type { WrittenServer } from './gateway-servers.ts'

/** A configuration that can be asked. */
export interface ExplainSource {
  readonly snapshot: Snapshot
  /** The resources it was compiled from, for places and hints; null: only compiled tables answer. */
  readonly set: ResourceSet | null
  readonly settings: CompileSettings
  readonly problems: readonly Problem[]
  /** A gateway runs it: health and sockets are those of this moment. */
  readonly live: boolean
  /** What a running gateway listens on at this moment; empty for files. */
  readonly bound: readonly BoundSocket[]
  /** Why the egress proxy dials no such host that nobody declares, told without a lookup; null: it may. Absent: any. */
  readonly addressRefusal?: (host: string, port: number) => string | null
  /** Failed TLS handshakes it remembers, newest first; absent for files. */
  readonly failedHandshakes?: readonly ExplainedFailure[]
  /** Servers whose Secret is not among the resources answer as if it were: routes are asked about. */
  readonly assumeSecrets?: boolean
}

/** What both directions look things up in. */
export interface ExplainContext {
  readonly source: ExplainSource
  readonly servers: readonly WrittenServer[]
  readonly elsewhere: Elsewhere | null
  readonly clusters: ClusterView
}

/** An explanation before problems and the snapshot's identity are added. */
export type Finding = Omit<Explanation, 'generation' | 'live' | 'problems'> & {
  /** The compiled route and the request it took; null where no route decided. */
  readonly decided: Decided | null
}

/** What is known before anything was found. */
export const NOTHING = {
  request: null,
  listener: null,
  tls: null,
  authentication: null,
  virtualHost: null,
  rules: [],
  route: null,
  destinations: [],
  elsewhere: [],
  decided: null,
} as const

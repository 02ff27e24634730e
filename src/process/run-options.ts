import type { BindAddress } from '../listeners/bind-address.ts'

/** What one gateway process is told: the flags of `tidegate run`, parsed. */
export interface RunOptions {
  /** Files or folders with Istio and Kubernetes YAML. */
  readonly config: readonly string[]
  readonly watch: boolean
  /** Own label sets; empty: every Gateway is served. */
  readonly labels: readonly Readonly<Record<string, string>>[]
  readonly namespace: string
  readonly domain: string
  /** Gateway server port -> where its listener binds. */
  readonly listen: ReadonlyMap<number, BindAddress>
  readonly egress: readonly BindAddress[]
  /** CIDRs that the egress proxy may reach although they are loopback, link-local or metadata. */
  readonly egressAllow: readonly string[]
  /** `host[:port]` of name servers; empty: the system's. */
  readonly resolvers: readonly string[]
  readonly meshConfig: string | null
  readonly redisUrl: string | null
  readonly rateLimitConfig: string | null
  /** null: off. */
  readonly admin: BindAddress | null
  readonly status: BindAddress | null
  /** Fastify plugins (path or package) for every HTTP listener. */
  readonly plugins: readonly string[]
  readonly compat: boolean
  /** Refuse to start when a resource has an error. */
  readonly strict: boolean
  readonly drainTimeoutMs: number
  readonly drainDelayMs: number
  /** File descriptor of the access log: 1 is stdout. */
  readonly accessLogFd: number
  readonly logLevel: LogLevel
  readonly logFormat: 'json' | 'pretty'
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export const DEFAULT_ADMIN: BindAddress = { host: '127.0.0.1', port: 15000 }
export const DEFAULT_STATUS: BindAddress = { host: '0.0.0.0', port: 15021 }
export const DEFAULT_NAMESPACE = 'istio-system'
export const DEFAULT_DOMAIN = 'cluster.local'
export const DEFAULT_DRAIN_TIMEOUT_MS = 45_000
export const STDOUT_FD = 1
export const DEFAULT_DRAIN_DELAY_MS = 5_000

import type { RateLimitMode } from '../../plugins/rate-limit/service/service-decisions.ts'
import type { AcmeSettings } from '../acme/acme-settings.ts'
import type { LimitFlags } from '../compile/limits/limit-table.ts'
import type { EgressControlSettings } from '../compile/egress/egress-control-settings.ts'
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
  /** Own `region/zone/subzone`; '': the Node's, else not known. */
  readonly locality: string
  /** The Kubernetes Node the process runs on, or ''. */
  readonly nodeName: string
  /** Gateway server port -> where its listener binds. */
  readonly listen: ReadonlyMap<number, BindAddress>
  readonly egress: readonly BindAddress[]
  /** CIDRs that the egress proxy may reach although they are loopback, private, link-local or metadata. */
  readonly egressAllow: readonly string[]
  /** Hash-chained file of every egress decision; absent: none. */
  readonly egressLedger?: LedgerSettings
  /** What the egress proxy does about its clients; absent: nothing special. */
  readonly egressControl?: EgressControlSettings
  /** Answering DNS, and the addresses Gateway hosts have outside; absent: neither. */
  readonly dns?: DnsSettings
  /** `host[:port]` of name servers; empty: the system's. */
  readonly resolvers: readonly string[]
  readonly meshConfig: string | null
  /** Folder with cert-chain.pem, key.pem and root-cert.pem for ISTIO_MUTUAL; absent: /etc/certs. */
  readonly meshCertificates?: string
  readonly redisUrl: string | null
  readonly rateLimitConfig: string | null
  /** When external rate limit services are asked; absent: `auto`. */
  readonly rateLimitMode?: RateLimitMode
  /** Answering others that ask about rate limits; absent: nobody is answered. */
  readonly rateLimitServer?: RateLimitServerSettings
  /** Certificates by ACME (`--acme-*`); absent: none are ordered. */
  readonly acme?: AcmeSettings
  /** CIDRs of proxies in front of the gateway that are believed what they say of the client. */
  readonly trustedProxies: readonly string[]
  /** null: off. */
  readonly admin: BindAddress | null
  readonly status: BindAddress | null
  /** Fastify plugins (path or package) for every HTTP listener. */
  readonly plugins: readonly string[]
  readonly compat: boolean
  /** `--limit NAME=VALUE`, see docs/limits.md. */
  readonly limits: LimitFlags
  /** Refuse to start when a resource has an error. */
  readonly strict: boolean
  readonly drainTimeoutMs: number
  readonly drainDelayMs: number
  /** File descriptor of the access log: 1 is stdout. */
  readonly accessLogFd: number
  readonly logLevel: LogLevel
  readonly logFormat: 'json' | 'pretty'
}

/** `--rate-limit-server` and `--rate-limit-server-headers`. */
export interface RateLimitServerSettings {
  readonly listen: BindAddress
  /** Answers carry RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset for the response. */
  readonly responseHeaders: boolean
}

/** `--egress-ledger` and `--egress-ledger-size`. */
export interface LedgerSettings {
  readonly path: string
  /** The file gets its own name at this size. */
  readonly maxBytes: number
}

/** `--dns`, `--dns-clients` and `--advertise`. */
export interface DnsSettings {
  /** null: no DNS is answered. */
  readonly listen: BindAddress | null
  /** CIDRs of clients that may ask, beside loopback and private addresses. */
  readonly clients: readonly string[]
  /** Addresses, or one host name, of Gateway hosts for clients outside; empty: as Services say. */
  readonly advertise: readonly string[]
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

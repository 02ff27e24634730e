import type { TrustedPeers } from '../base/trusted-peers.ts'
import type { ClientCertForwarding } from './client-cert-forwarding.ts'
import type { ConnectionSettings } from './connection-settings.ts'

/** Process-wide settings from MeshConfig and ProxyConfig (`defaultConfig`), with Istio's defaults filled in. */
export interface MeshSettings {
  readonly accessLog: {
    readonly enabled: boolean
    /** `/dev/stdout`, `/dev/stderr`, or a file that lines are appended to. */
    readonly file: string
    readonly encoding: 'TEXT' | 'JSON'
    /** Envoy format string; null for Istio's default. For JSON: key to format, or null. */
    readonly textFormat: string | null
    readonly jsonFormat: Readonly<Record<string, string>> | null
  }
  /** gatewayTopology.numTrustedProxies */
  readonly trustedProxies: number
  /**
   * `--trusted-proxy`: only these peers are believed what they say of the client, and
   * `trustedProxies` counts for nothing. null: no list was given.
   */
  readonly trustedPeers: TrustedPeers | null
  /** gatewayTopology.proxyProtocol: connections to Gateway listeners begin with a PROXY header. */
  readonly proxyProtocol: boolean
  /** x-forwarded-host and -port of peers that are not trusted pass, as in Istio (`--compat`). */
  readonly foreignForwardedHost: boolean
  /** proxyHeaders.xForwardedHost: a rewritten Host is appended to x-forwarded-host. */
  readonly forwardedHost: boolean
  /** proxyHeaders.xForwardedPort: x-forwarded-port says the port the client asked for. */
  readonly forwardedPort: boolean
  readonly clientCert: ClientCertForwarding
  /** Value of the `server` response header, or null to pass the upstream's (proxyHeaders.server). */
  readonly serverHeader: string | null
  readonly requestIdHeader: boolean
  readonly attemptCountHeader: boolean
  /** x-envoy-upstream-service-time and friends. */
  readonly debugHeaders: boolean
  readonly connections: ConnectionSettings
  readonly drainDurationMs: number
  /** `--compat`: retry non-idempotent requests too, as Istio does. */
  readonly retryAnyMethod: boolean
}

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

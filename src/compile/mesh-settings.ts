import { parseDurationMs } from '../base/duration.ts'
import { TrustedPeers } from '../base/trusted-peers.ts'
import type { MeshConfigSpec } from '../config/mesh-config.ts'
import type { ClientCertForwarding } from '../snapshot/client-cert-forwarding.ts'
import type { MeshSettings } from '../snapshot/mesh-settings.ts'
import { connectionSettings } from './connection-settings.ts'
import type { Findings } from './findings.ts'
import type { LimitFlags } from './limits/limit-table.ts'

const DEFAULT_SERVER_HEADER = 'istio-envoy'
const DEFAULT_DRAIN_DURATION_MS = 45_000
const STANDARD_OUTPUT = '/dev/stdout'

/** Flags that stand beside MeshConfig. */
export interface MeshFlags {
  /** CIDRs of `--trusted-proxy`. */
  readonly trustedProxies?: readonly string[] | undefined
  /** `--limit` */
  readonly limits?: LimitFlags | undefined
}

/**
 * Process-wide settings. Without any MeshConfig the access log is on, since a proxy that stays
 * silent helps nobody; a MeshConfig decides by its accessLogFile, which is off when absent.
 */
export function meshSettings(
  mesh: MeshConfigSpec | null,
  compat: boolean,
  findings: Findings,
  flags: MeshFlags = {},
): MeshSettings {
  const given = mesh ?? {}
  const { gatewayTopology, proxyHeaders, drainDuration } = given.defaultConfig ?? {}
  const server = proxyHeaders?.server
  return {
    accessLog: accessLog(mesh, findings),
    trustedProxies: trustedHops(gatewayTopology?.numTrustedProxies ?? 0, findings),
    trustedPeers: TrustedPeers.of(flags.trustedProxies ?? []),
    proxyProtocol: gatewayTopology?.proxyProtocol !== undefined,
    foreignForwardedHost: compat,
    forwardedHost: proxyHeaders?.xForwardedHost?.enabled === true,
    forwardedPort: proxyHeaders?.xForwardedPort?.enabled === true,
    clientCert: clientCertForwarding(given),
    serverHeader: server?.disabled === true ? null : (server?.value ?? DEFAULT_SERVER_HEADER),
    requestIdHeader: proxyHeaders?.requestId?.disabled !== true,
    attemptCountHeader: proxyHeaders?.attemptCount?.disabled !== true,
    debugHeaders: proxyHeaders?.envoyDebugHeaders?.disabled !== true,
    connections: connectionSettings(given, compat, findings, flags.limits),
    drainDurationMs:
      (drainDuration === undefined ? null : parseDurationMs(drainDuration)) ??
      DEFAULT_DRAIN_DURATION_MS,
    retryAnyMethod: compat,
  }
}

function trustedHops(given: number, findings: Findings): number {
  if (given >= 0) return given
  findings.reportGeneral(
    'warning',
    'trusted-proxies-negative',
    `MeshConfig defaultConfig.gatewayTopology.numTrustedProxies ${given} is less than 0: nobody is trusted`,
    'write the number of proxies in front of the gateway',
  )
  return 0
}

/** Without setCurrentClientCertDetails a gateway of Istio says all but the chain. */
function clientCertForwarding(mesh: MeshConfigSpec): ClientCertForwarding {
  const { gatewayTopology, proxyHeaders } = mesh.defaultConfig ?? {}
  const mode = gatewayTopology?.forwardClientCertDetails ?? 'UNDEFINED'
  const details = proxyHeaders?.setCurrentClientCertDetails
  return {
    mode: mode === 'UNDEFINED' ? 'SANITIZE_SET' : mode,
    subject: details?.subject ?? true,
    cert: details === undefined || details.cert === true,
    chain: details?.chain === true,
    dns: details?.dns ?? true,
    uri: details?.uri ?? true,
  }
}

function accessLog(mesh: MeshConfigSpec | null, findings: Findings): MeshSettings['accessLog'] {
  const { accessLogFile = '', accessLogEncoding = 'TEXT', accessLogFormat = '' } = mesh ?? {}
  const isJson = accessLogEncoding === 'JSON'
  return {
    enabled: mesh === null || accessLogFile !== '',
    file: accessLogFile === '' ? STANDARD_OUTPUT : accessLogFile,
    encoding: accessLogEncoding,
    textFormat: isJson || accessLogFormat === '' ? null : withNewline(accessLogFormat),
    jsonFormat: isJson && accessLogFormat !== '' ? jsonFormat(accessLogFormat, findings) : null,
  }
}

function withNewline(format: string): string {
  return format.endsWith('\n') ? format : `${format}\n`
}

/** Key to operators. What is no JSON object of strings means Istio's default format. */
function jsonFormat(text: string, findings: Findings): Readonly<Record<string, string>> | null {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
      const entries = Object.entries(parsed).filter(([, value]) => typeof value === 'string')
      return Object.fromEntries(entries) as Record<string, string>
    }
  } catch {
    // Reported below, together with JSON that is no object.
  }
  findings.reportGeneral(
    'warning',
    'access-log-format-invalid',
    'MeshConfig accessLogFormat is not a JSON object: the default format is used',
    'with accessLogEncoding JSON the format maps keys to command operators',
  )
  return null
}

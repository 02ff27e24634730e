import { parseDurationMs } from '../../base/duration.ts'
import type { ConnectionLimits } from '../../clusters/plan.ts'
import type { TrafficPolicySpec } from '../../config/kinds/destination-rule.ts'
import type { MeshConfigSpec } from '../../config/mesh-config.ts'
import { upstreamBufferBytes } from '../connection-settings.ts'
import type { PlacedBlock } from './traffic-policy.ts'

type ConnectionPoolSpec = NonNullable<TrafficPolicySpec['connectionPool']>
type Keepalive = NonNullable<NonNullable<ConnectionPoolSpec['tcp']>['tcpKeepalive']>

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000
const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000
const DEFAULT_KEEPALIVE_TIME_MS = 7_200_000

/** DestinationRule connectionPool over MeshConfig's defaults. */
export function connectionLimits(
  block: PlacedBlock<ConnectionPoolSpec> | null,
  mesh: MeshConfigSpec,
): ConnectionLimits {
  const { tcp = {}, http = {} } = block?.spec ?? {}
  const tcpIdleTimeoutMs = milliseconds(tcp.idleTimeout, DEFAULT_IDLE_TIMEOUT_MS)
  return {
    maxConnections: limit(tcp.maxConnections),
    maxPendingRequests: limit(http.http1MaxPendingRequests),
    maxRequests: limit(http.http2MaxRequests),
    maxRequestsPerConnection: limit(http.maxRequestsPerConnection),
    connectTimeoutMs: milliseconds(
      tcp.connectTimeout ?? mesh.connectTimeout,
      DEFAULT_CONNECT_TIMEOUT_MS,
    ),
    idleTimeoutMs: milliseconds(http.idleTimeout, tcpIdleTimeoutMs),
    tcpIdleTimeoutMs,
    tcpKeepaliveMs: keepaliveMs(tcp.tcpKeepalive ?? mesh.tcpKeepalive),
    bufferBytes: upstreamBufferBytes(mesh),
  }
}

/** 0 counts as unset, like Istio's integer limits. */
function limit(value: number | undefined): number {
  return value === undefined || value < 0 ? 0 : value
}

function milliseconds(text: string | undefined, otherwise: number): number {
  return (text === undefined ? null : parseDurationMs(text)) ?? otherwise
}

/** An empty block turns keepalive on with the operating system's usual idle time. */
function keepaliveMs(keepalive: Keepalive | undefined): number {
  return keepalive === undefined ? 0 : milliseconds(keepalive.time, DEFAULT_KEEPALIVE_TIME_MS)
}

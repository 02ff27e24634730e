import { parseDurationMs } from '../../base/duration.ts'
import type { ConnectionLimits } from '../../clusters/plan.ts'
import type { TrafficPolicySpec } from '../../config/kinds/destination-rule.ts'
import type { MeshConfigSpec } from '../../config/mesh-config.ts'
import { type LimitFlags, NO_LIMIT_FLAGS } from '../limits/limit-table.ts'
import { limitNumber } from '../limits/limit-values.ts'
import { upstreamWire } from '../limits/upstream-wire.ts'
import type { PlacedBlock } from './traffic-policy.ts'

type ConnectionPoolSpec = NonNullable<TrafficPolicySpec['connectionPool']>
type HttpSpec = NonNullable<ConnectionPoolSpec['http']>
type UpstreamWire = NonNullable<ConnectionLimits['wire']>
type Keepalive = NonNullable<NonNullable<ConnectionPoolSpec['tcp']>['tcpKeepalive']>

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000
const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000
const DEFAULT_KEEPALIVE_TIME_MS = 7_200_000
const DEFAULT_KEEPALIVE_INTERVAL_MS = 75_000
const DEFAULT_KEEPALIVE_PROBES = 9
const DEFAULT_PING_INTERVAL_MS = 30_000
const DEFAULT_PING_TIMEOUT_MS = 15_000
const MAX_TIMER_MS = 2 ** 31 - 1

/** DestinationRule connectionPool over MeshConfig's defaults and `--limit upstream-*`. */
export function connectionLimits(
  block: PlacedBlock<ConnectionPoolSpec> | null,
  mesh: MeshConfigSpec,
  flags: LimitFlags = NO_LIMIT_FLAGS,
): ConnectionLimits {
  const { tcp = {}, http = {} } = block?.spec ?? {}
  const wire = withStreams(upstreamWire(flags), http)
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
    ...(tcp.maxConnectionDuration === undefined
      ? {}
      : { maxConnectionDurationMs: milliseconds(tcp.maxConnectionDuration, 0) }),
    ...keepaliveLimits(tcp.tcpKeepalive ?? mesh.tcpKeepalive),
    bufferBytes: limitNumber('upstream-buffer-bytes', { mesh, flags, compat: false }),
    ...(wire === null ? {} : { wire }),
  }
}

/** maxConcurrentStreams and http2KeepAlive over what the flags say of HTTP/2 connections. */
function withStreams(wire: UpstreamWire | null, http: HttpSpec): UpstreamWire | null {
  const { http2KeepAlive: keepAlive } = http
  const streams = limit(http.maxConcurrentStreams)
  if (streams === 0 && keepAlive === undefined) return wire
  const pings =
    keepAlive === undefined
      ? {}
      : {
          pingIdle: true,
          pingIntervalMs: timerMs(keepAlive.interval, DEFAULT_PING_INTERVAL_MS),
          pingTimeoutMs: timerMs(keepAlive.timeout, DEFAULT_PING_TIMEOUT_MS),
        }
  const maxConcurrentStreams = streams === 0 ? {} : { maxConcurrentStreams: streams }
  return { h1: wire?.h1 ?? {}, h2: { ...wire?.h2, ...maxConcurrentStreams, ...pings } }
}

/** Node's longest timer is 24 days; beyond it a timer would fire at once. */
function timerMs(text: string | undefined, otherwise: number): number {
  return Math.min(milliseconds(text, otherwise), MAX_TIMER_MS)
}

/** 0 counts as unset, like Istio's integer limits. */
function limit(value: number | undefined): number {
  return value === undefined || value < 0 ? 0 : value
}

function milliseconds(text: string | undefined, otherwise: number): number {
  return (text === undefined ? null : parseDurationMs(text)) ?? otherwise
}

type KeepaliveLimits = Pick<
  ConnectionLimits,
  'tcpKeepaliveMs' | 'tcpKeepaliveIntervalMs' | 'tcpKeepaliveProbes'
>

/** An empty block turns keepalive on with the operating system's usual times. */
function keepaliveLimits(keepalive: Keepalive | undefined): KeepaliveLimits {
  if (keepalive === undefined) return { tcpKeepaliveMs: 0 }
  const { time, interval, probes = 0 } = keepalive
  const given = interval !== undefined || probes > 0
  return {
    tcpKeepaliveMs: milliseconds(time, DEFAULT_KEEPALIVE_TIME_MS),
    ...(given ? { tcpKeepaliveIntervalMs: seconds(interval) } : {}),
    ...(given ? { tcpKeepaliveProbes: probes > 0 ? probes : DEFAULT_KEEPALIVE_PROBES } : {}),
  }
}

/** The operating system counts in whole seconds, from 1. */
function seconds(interval: string | undefined): number {
  return Math.max(1_000, milliseconds(interval, DEFAULT_KEEPALIVE_INTERVAL_MS))
}

import type { TrafficPolicySpec } from './destination-rule.ts'
import {
  checkConnectTimeout,
  checkCount,
  checkDurationOrZero,
  checkPositiveDuration,
} from './number-rules.ts'
import type { Place } from './place.ts'

type ConnectionPoolSpec = NonNullable<TrafficPolicySpec['connectionPool']>
type TcpSpec = NonNullable<ConnectionPoolSpec['tcp']>
type HttpSpec = NonNullable<ConnectionPoolSpec['http']>

/** `trafficPolicy.connectionPool` */
export function checkConnectionPool(place: Place, pool: ConnectionPoolSpec): void {
  if (pool.tcp === undefined && pool.http === undefined) {
    place.error('empty-block', 'connection pool must have at least one field', 'remove it')
  }
  if (pool.tcp !== undefined) checkTcp(place.at('tcp'), pool.tcp)
  if (pool.http !== undefined) checkHttp(place.at('http'), pool.http)
}

function checkTcp(place: Place, tcp: TcpSpec): void {
  checkCount(place.at('maxConnections'), tcp.maxConnections, 'max connections')
  checkConnectTimeout(place.at('connectTimeout'), tcp.connectTimeout)
  checkPositiveDuration(place.at('maxConnectionDuration'), tcp.maxConnectionDuration)
  checkDurationOrZero(place.at('idleTimeout'), tcp.idleTimeout)
  if (tcp.tcpKeepalive !== undefined) checkKeepalive(place.at('tcpKeepalive'), tcp.tcpKeepalive)
}

/** `tcpKeepalive`, of a connection pool or of the mesh. */
function checkKeepalive(place: Place, keepalive: NonNullable<TcpSpec['tcpKeepalive']>): void {
  checkCount(place.at('probes'), keepalive.probes, 'keepalive probes')
  checkPositiveDuration(place.at('time'), keepalive.time)
  checkPositiveDuration(place.at('interval'), keepalive.interval)
}

/** Both are required, as in Istio: a PING without a time for its answer would ask for nothing. */
function checkHttp2KeepAlive(place: Place, ping: NonNullable<HttpSpec['http2KeepAlive']>): void {
  for (const field of ['interval', 'timeout'] as const) {
    if (ping[field] === undefined) {
      place.at(field).error('missing-field', `http2KeepAlive needs ${field}`)
    }
    checkPositiveDuration(place.at(field), ping[field])
  }
}

function checkHttp(place: Place, http: HttpSpec): void {
  checkCount(
    place.at('http1MaxPendingRequests'),
    http.http1MaxPendingRequests,
    'http1 max pending requests',
  )
  checkCount(place.at('http2MaxRequests'), http.http2MaxRequests, 'http2 max requests')
  checkCount(
    place.at('maxRequestsPerConnection'),
    http.maxRequestsPerConnection,
    'max requests per connection',
  )
  checkCount(place.at('maxRetries'), http.maxRetries, 'max retries')
  checkCount(place.at('maxConcurrentStreams'), http.maxConcurrentStreams, 'max concurrent streams')
  checkDurationOrZero(place.at('idleTimeout'), http.idleTimeout)
  if (http.http2KeepAlive !== undefined) {
    checkHttp2KeepAlive(place.at('http2KeepAlive'), http.http2KeepAlive)
  }
  if (http.useClientProtocol === true && http.h2UpgradePolicy === 'UPGRADE') {
    place
      .at('useClientProtocol')
      .error(
        'conflicting-fields',
        'use client protocol must not be true when H2UpgradePolicy is UPGRADE',
      )
  }
}

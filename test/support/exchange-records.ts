import { type ClusterPlan, ClusterPlan as Plan } from '../../src/clusters/plan.ts'
import type { DownstreamConnection } from '../../src/http/exchange.ts'
import { Headers } from '../../src/http/headers.ts'
import type { ExchangeRecord } from '../../src/proxy/exchange-record.ts'
import { requestOf } from './requests.ts'

/** A cluster of one service; `subset` '' for the service as a whole. */
export function clusterPlanOf(service: string, subset = ''): ClusterPlan {
  const [serviceName = '', serviceNamespace = ''] = service.split('.')
  return new Plan({
    name: `outbound|80|${subset}|${service}`,
    destination: { service, serviceName, serviceNamespace },
    protocol: 'http1',
    discovery: 'static',
    endpoints: [
      { address: '10.0.0.9', port: 8080, weight: 1, labels: { version: 'v1' }, locality: '' },
    ],
    loadBalancer: { policy: 'least-request' },
    limits: {
      maxConnections: 0,
      maxPendingRequests: 0,
      maxRequests: 0,
      maxRequestsPerConnection: 0,
      connectTimeoutMs: 10_000,
      idleTimeoutMs: 3_600_000,
      tcpIdleTimeoutMs: 3_600_000,
      tcpKeepaliveMs: 0,
      bufferBytes: 65_536,
    },
    outlier: null,
    tls: null,
  })
}

export const plainConnection: DownstreamConnection = {
  remoteAddress: '192.0.2.7',
  remotePort: 40123,
  localAddress: '10.1.2.3',
  localPort: 8080,
  tls: null,
  context: null,
}

/** A finished exchange: 200 from `web` after 12.7 ms, unless told otherwise. */
export function recordOf(changes: Partial<ExchangeRecord> = {}): ExchangeRecord {
  const cluster = clusterPlanOf('web.shop.svc.cluster.local')
  const request = requestOf({
    authority: 'shop.test',
    target: '/cart?id=1',
    headers: ['user-agent', 'curl/8.0'],
  })
  return {
    direction: 'ingress',
    connection: plainConnection,
    request,
    originalPath: '/cart?id=1',
    originalAuthority: 'shop.test',
    requestId: '0f8fad5b-d9cb-469f-a165-70867728950e',
    forwardedFor: '192.0.2.7',
    clientAddress: '192.0.2.7',
    startedAtMs: Date.UTC(2026, 10, 21, 8, 0, 0, 123),
    startedMonotonicMs: 1000,
    endedMonotonicMs: 1012.7,
    upstreamServiceTimeMs: 11,
    status: 200,
    flags: '-',
    details: 'via_upstream',
    transportFailure: '',
    bytesReceived: 0,
    bytesSent: 1834,
    responseHeaders: new Headers(['content-type', 'text/html']),
    upstreamHost: '10.0.0.9:8080',
    upstreamLocal: '10.1.2.3:50000',
    cluster,
    clusterName: cluster.name,
    routeName: 'main',
    grpcStatus: '',
    destinationHost: '',
    ...changes,
  }
}

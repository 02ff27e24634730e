import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clusterPlanOf, recordOf } from '../../test/support/exchange-records.ts'
import { requestOf } from '../../test/support/requests.ts'
import type { ClusterStats } from './cluster-stats.ts'
import { Metrics } from './metrics.ts'
import { observerOf } from './observer-list.ts'
import { BUCKET_BOUNDS, Distribution } from './published-metric.ts'
import { RequestSeriesTable } from './request-series.ts'

function metricsWith(stats: readonly ClusterStats[] | null = null): Metrics {
  return new Metrics({
    source: { workload: 'edge', namespace: 'istio-system', app: 'edge', version: 'v1' },
    version: '0.1.0',
    startedAtMs: Date.now(),
    clusterStats: stats === null ? null : () => stats,
    droppedLogLines: () => 3,
  })
}

/** Sample lines of `name` that hold every one of `labels`, as label text and value. */
async function samples(metrics: Metrics, name: string, ...labels: string[]): Promise<string[]> {
  const lines = (await metrics.exposition()).split('\n')
  return lines.filter(
    (line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)),
  )
}

const valueOf = (line: string): number => Number(line.slice(line.lastIndexOf(' ') + 1))

describe('istio_requests_total', () => {
  test('carries Istio’s label set', async () => {
    const metrics = metricsWith()
    metrics.onExchangeEnd(recordOf())
    expect(await samples(metrics, 'istio_requests_total')).toEqual([
      'istio_requests_total{reporter="source",source_workload="edge",' +
        'source_canonical_service="edge",source_canonical_revision="unknown",' +
        'source_workload_namespace="istio-system",source_principal="unknown",source_app="edge",' +
        'source_version="v1",source_cluster="unknown",destination_workload="unknown",' +
        'destination_workload_namespace="unknown",destination_principal="unknown",' +
        'destination_app="unknown",destination_version="unknown",' +
        'destination_service="web.shop.svc.cluster.local",' +
        'destination_canonical_service="unknown",destination_canonical_revision="unknown",' +
        'destination_service_name="web",destination_service_namespace="shop",' +
        'destination_cluster="unknown",request_protocol="http",response_code="200",' +
        'grpc_response_status="",response_flags="-",connection_security_policy="unknown"} 1',
    ])
  })

  test('counts by code, flags and gRPC status', async () => {
    const metrics = metricsWith()
    const grpc = requestOf({ headers: ['content-type', 'application/grpc+proto'] })
    metrics.onExchangeEnd(recordOf())
    metrics.onExchangeEnd(recordOf())
    metrics.onExchangeEnd(recordOf({ status: 503, flags: 'UF,URX' }))
    metrics.onExchangeEnd(recordOf({ status: 0, flags: 'DC' }))
    metrics.onExchangeEnd(recordOf({ request: grpc, grpcStatus: '14' }))
    metrics.onExchangeEnd(recordOf({ request: grpc, grpcStatus: 'nonsense' }))
    const of = async (...labels: string[]): Promise<number[]> =>
      (await samples(metrics, 'istio_requests_total', ...labels)).map(valueOf)
    expect(await of('response_code="200"', 'request_protocol="http"')).toEqual([2])
    expect(await of('response_flags="UF,URX"', 'response_code="503"')).toEqual([1])
    expect(await of('response_code="0"', 'response_flags="DC"')).toEqual([1])
    expect(await of('request_protocol="grpc"', 'grpc_response_status="14"')).toEqual([1])
    expect(await of('request_protocol="grpc"', 'grpc_response_status="other"')).toEqual([1])
  })

  test('subsets of one service and plans of later generations share a series', async () => {
    const metrics = metricsWith()
    for (const subset of ['', 'v1', 'v2', 'v1']) {
      metrics.onExchangeEnd(
        recordOf({ cluster: clusterPlanOf('web.shop.svc.cluster.local', subset) }),
      )
    }
    expect((await samples(metrics, 'istio_requests_total')).map(valueOf)).toEqual([4])
  })

  test('never labels with an unmatched host or path', async () => {
    const metrics = metricsWith()
    const request = requestOf({ authority: 'attacker-host.test', target: '/attacker-path' })
    const common = {
      request,
      originalPath: '/attacker-path',
      destinationHost: 'attacker-host.test:80',
    }
    metrics.onExchangeEnd(recordOf({ ...common, cluster: null, clusterName: '', status: 404 }))
    for (const clusterName of ['PassthroughCluster', 'BlackHoleCluster']) {
      metrics.onExchangeEnd(recordOf({ ...common, clusterName }))
      const [line] = await samples(metrics, 'istio_requests_total', `="${clusterName}"`)
      expect(line).toContain(`destination_service_name="${clusterName}"`)
      expect(line).toContain('destination_service="unknown"')
    }
    const text = await metrics.exposition()
    expect(text).not.toContain('attacker')
    expect(await samples(metrics, 'istio_requests_total', 'service_name="unknown"')).toHaveLength(1)
  })
})

describe('distributions', () => {
  test('fall into Istio’s buckets, cumulated', async () => {
    const metrics = metricsWith()
    for (const duration of [0.5, 0.6, 12, 3_700_000]) {
      metrics.onExchangeEnd(recordOf({ startedMonotonicMs: 0, endedMonotonicMs: duration }))
    }
    const name = 'istio_request_duration_milliseconds'
    const buckets = await samples(metrics, `${name}_bucket`)
    expect(buckets).toHaveLength(20)
    const at = (le: string): number =>
      valueOf(buckets.find((line) => line.includes(`le="${le}"`)) ?? '')
    expect(['0.5', '1', '10', '25', '3600000', '+Inf'].map(at)).toEqual([1, 2, 2, 3, 3, 4])
    expect((await samples(metrics, `${name}_sum`)).map(valueOf)).toEqual([3_700_013.1])
    expect((await samples(metrics, `${name}_count`)).map(valueOf)).toEqual([4])
  })

  test('exist for bytes of both directions', async () => {
    const metrics = metricsWith()
    metrics.onExchangeEnd(recordOf({ bytesReceived: 300, bytesSent: 70_000 }))
    expect((await samples(metrics, 'istio_request_bytes_sum')).map(valueOf)).toEqual([300])
    expect((await samples(metrics, 'istio_response_bytes_sum')).map(valueOf)).toEqual([70_000])
  })

  test('count every value in the first bucket that is not below it', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e8, noNaN: true }), (value) => {
        const distribution = new Distribution()
        distribution.observe(value)
        const expected = BUCKET_BOUNDS.findIndex((bound) => value <= bound)
        const bucket = expected === -1 ? BUCKET_BOUNDS.length : expected
        expect(distribution.counts[bucket]).toBe(1)
        expect(distribution.count).toBe(1)
      }),
    )
  })
})

test('label sets are bounded; what finds no room is counted', () => {
  const table = new RequestSeriesTable({}, 10)
  for (let status = 200; status < 230; status++) table.count(recordOf({ status }))
  table.count(recordOf({ status: 200 }))
  expect(table.all).toHaveLength(10)
  expect(table.all[0]!.count).toBe(2)
  expect(table.dropped).toBe(20)
})

test('own state and clusters are published', async () => {
  const stats: ClusterStats = {
    name: 'outbound|80||web.shop.svc.cluster.local',
    counters: { rq_total: 10, rq_5xx: 2, cx_active: 5, ejections_active: 1 },
    endpoints: [{ health: 'healthy' }, { health: 'healthy' }, { health: 'ejected' }],
  }
  const metrics = metricsWith([stats])
  metrics.configurationServing(4, 2)
  metrics.configurationLoaded(true, { error: 0, warning: 1, info: 5 })
  metrics.configurationLoaded(false, { error: 2, warning: 1, info: 0 })
  const lines = (await metrics.exposition()).split('\n')
  expect(lines).toEqual(
    expect.arrayContaining([
      'tidegate_config_generation 4',
      'tidegate_listeners 2',
      'tidegate_config_problems{severity="error"} 2',
      'tidegate_config_problems{severity="info"} 0',
      'tidegate_config_reloads_total{result="ok"} 1',
      'tidegate_config_reloads_total{result="failed"} 1',
      'tidegate_access_log_dropped_lines_total 3',
      'tidegate_metrics_dropped_requests_total 0',
      `tidegate_build_info{version="0.1.0",node="${process.versions.node}"} 1`,
      `envoy_cluster_upstream_rq_total{cluster_name="${stats.name}"} 10`,
      `envoy_cluster_upstream_rq_xx{cluster_name="${stats.name}",response_code_class="5xx"} 2`,
      `envoy_cluster_upstream_cx_connect_fail{cluster_name="${stats.name}"} 0`,
      `envoy_cluster_outlier_detection_ejections_active{cluster_name="${stats.name}"} 1`,
      `envoy_cluster_membership_total{cluster_name="${stats.name}"} 3`,
      `envoy_cluster_membership_healthy{cluster_name="${stats.name}"} 2`,
      '# TYPE envoy_cluster_upstream_cx_active gauge',
      '# TYPE envoy_cluster_upstream_cx_total counter',
      '# TYPE istio_request_bytes histogram',
    ]),
  )
})

test('observers are told in order, and none means nobody is called', () => {
  const told: string[] = []
  const observer = (name: string) => ({ onExchangeEnd: () => void told.push(name) })
  expect(observerOf([])).toBeNull()
  observerOf([observer('a')])!.onExchangeEnd(recordOf())
  observerOf([observer('b'), observer('c')])!.onExchangeEnd(recordOf())
  expect(told).toEqual(['a', 'b', 'c'])
})

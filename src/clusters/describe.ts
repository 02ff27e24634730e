import type { Cluster } from './cluster.ts'
import type { ClusterDescription, EndpointDescription } from './description.ts'
import type { Endpoint } from './endpoint.ts'

/** What only the cluster itself knows. */
export interface ClusterState {
  readonly nowMs: number
  readonly panic: boolean
  readonly retired: boolean
  readonly dnsFailures: readonly string[]
  readonly tlsProblem: string
}

export function describeCluster(cluster: Cluster, state: ClusterState): ClusterDescription {
  const { plan } = cluster
  return {
    name: cluster.name,
    protocol: plan.protocol,
    discovery: plan.discovery,
    policy: plan.loadBalancer.policy,
    retired: state.retired,
    panic: state.panic,
    dnsFailures: state.dnsFailures,
    tlsProblem: state.tlsProblem,
    endpoints: cluster.endpoints.map((endpoint) => describeEndpoint(endpoint, state.nowMs)),
    counters: cluster.counters.toRecord(),
  }
}

export function describeEndpoint(endpoint: Endpoint, nowMs: number): EndpointDescription {
  const outlier = endpoint.outlier
  const left = outlier.ejected ? outlier.ejectedAtMs + outlier.ejectedForMs - nowMs : 0
  return {
    address: endpoint.key,
    weight: endpoint.weight,
    labels: endpoint.labels,
    locality: endpoint.locality,
    priority: endpoint.priority,
    effectiveWeight: endpoint.effectiveWeight,
    health: outlier.ejected ? 'ejected' : endpoint.healthy ? 'healthy' : 'unhealthy',
    healthCheck: endpoint.health === null ? null : endpoint.health.state,
    healthCheckFailure: endpoint.health === null ? '' : endpoint.health.lastFailure,
    returnsInMs: Math.max(0, Math.round(left)),
    ejections: outlier.ejections,
    consecutive5xx: outlier.consecutive5xx,
    consecutiveGatewayErrors: outlier.consecutiveGatewayErrors,
    consecutiveLocalOriginFailures: outlier.consecutiveLocalOriginFailures,
    activeRequests: endpoint.active,
    activeConnections: endpoint.connections,
    lastConnectFailure: endpoint.lastConnectFailure,
    counters: {
      rq_total: endpoint.requestsTotal,
      rq_success: endpoint.requestsSucceeded,
      rq_error: endpoint.requestsFailed,
      cx_total: endpoint.connectionsTotal,
      cx_connect_fail: endpoint.connectFailures,
    },
  }
}

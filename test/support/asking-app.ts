import { ACCESS_LOG_MESH } from './access-log.ts'
import { gateway, service, virtualService } from './yaml.ts'

export const SERVICE_CLUSTER = 'outbound|8081||ratelimit.default.svc.cluster.local'

export interface AskingOptions {
  readonly upstreamPort: number
  /** Of the rate limit service on loopback; null: the Service is not there. */
  readonly servicePort: number | null
  /** More lines of the filter's typed_config. */
  readonly settings?: readonly string[]
  readonly cluster?: string
  /** One line of YAML: `rate_limits` of the virtual host. */
  readonly rateLimits?: string
  /** More patches of the EnvoyFilter. */
  readonly patches?: string
}

const RATE_LIMITS =
  '[{ actions: [{ request_headers: { header_name: x-user, descriptor_key: user } }] }]'

/** `app.test` on Gateway port 80, limited by domain `edge` of an external rate limit service. */
export function askingApp(options: AskingOptions): string {
  const { upstreamPort, servicePort, settings = [], patches = '' } = options
  const cluster = options.cluster ?? SERVICE_CLUSTER
  const typedConfig = [
    '"@type": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit',
    'domain: edge',
    `rate_limit_service: { grpc_service: { envoy_grpc: { cluster_name: "${cluster}" } }, transport_api_version: V3 }`,
    ...settings,
  ]
  const limiter =
    servicePort === null ? '' : service('ratelimit', servicePort, { port: 8081, portName: 'grpc' })
  return `${ACCESS_LOG_MESH}${limiter}${service('app', upstreamPort)}${gateway('gw', ['app.test'])}${virtualService(
    'app',
    ['app.test'],
    ['gw'],
    '  - route: [{ destination: { host: app } }]',
  )}apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: limits, namespace: istio-system }
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match: { context: GATEWAY }
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.http.ratelimit
        typed_config:
          ${typedConfig.join('\n          ')}
  - applyTo: VIRTUAL_HOST
    match: { context: GATEWAY, routeConfiguration: { vhost: { name: "app.test:80" } } }
    patch: { operation: MERGE, value: { rate_limits: ${options.rateLimits ?? RATE_LIMITS} } }
${patches}---
`
}

/** A CLUSTER patch as Istio's task wrote it: a name of its own, endpoints by address. */
export function addedCluster(
  name: string,
  endpoints: readonly (readonly [string, number])[],
): string {
  const places = endpoints.map(
    ([address, port]) =>
      `{ endpoint: { address: { socket_address: { address: ${address}, port_value: ${port} } } } }`,
  )
  return `  - applyTo: CLUSTER
    match: { cluster: { service: ratelimit.default.svc.cluster.local } }
    patch:
      operation: ADD
      value:
        name: ${name}
        type: STRICT_DNS
        connect_timeout: 10s
        http2_protocol_options: {}
        load_assignment: { cluster_name: ${name}, endpoints: [{ lb_endpoints: [${places.join(', ')}] }] }
`
}

/** A descriptor file for the domain the app asks about. */
export function descriptorFile(limit: number): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: limits }
data:
  config.yaml: |
    domain: edge
    descriptors:
    - { key: user, rate_limit: { unit: year, requests_per_unit: ${limit}, name: per-user } }
---
`
}

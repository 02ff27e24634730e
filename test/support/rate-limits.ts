import { ACCESS_LOG_MESH } from './access-log.ts'
import { gateway, service, virtualService } from './yaml.ts'

export interface LimitOptions {
  /** Requests admitted in the window. */
  readonly limit: number
  /** Port of the upstream on loopback. */
  readonly upstreamPort: number
  /** Lines of the filter's typed_config: `failure_mode_deny: true`. */
  readonly settings?: readonly string[]
}

/**
 * `app.test` on Gateway port 80, limited as a whole in the shape of Istio's task: filter, descriptor
 * file, rate_limits of a virtual host. The window is a year, so that none ends while a test runs.
 */
export function limitedApp({ limit, upstreamPort, settings = [] }: LimitOptions): string {
  const typedConfig = [
    '"@type": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit',
    'domain: edge',
    'enable_x_ratelimit_headers: DRAFT_VERSION_03',
    ...settings,
  ]
  return `${ACCESS_LOG_MESH}${service('app', upstreamPort)}${gateway('gw', ['app.test'])}${virtualService(
    'app',
    ['app.test'],
    ['gw'],
    '  - route: [{ destination: { host: app } }]',
  )}apiVersion: v1
kind: ConfigMap
metadata: { name: limits }
data:
  config.yaml: |
    domain: edge
    descriptors:
    - { key: app, value: all, rate_limit: { unit: year, requests_per_unit: ${limit} } }
---
apiVersion: networking.istio.io/v1alpha3
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
    patch:
      operation: MERGE
      value:
        rate_limits: [{ actions: [{ generic_key: { descriptor_key: app, descriptor_value: all } }] }]
---
`
}

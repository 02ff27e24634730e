import { gateway, service, virtualService } from './yaml.ts'

/** Of `limits.yaml`, where the descriptor file stands. */
export const DESCRIPTORS_LINE = 6

/** Three requests a year for each x-user, a shadow limit of one for all, and one that replaces nothing. */
export const DESCRIPTORS = `apiVersion: v1
kind: ConfigMap
metadata: { name: limits }
data:
  config.yaml: |
    domain: edge
    descriptors:
    - key: user
      rate_limit: { unit: year, requests_per_unit: 3 }
    - key: app
      value: all
      shadow_mode: true
      rate_limit: { unit: year, requests_per_unit: 1 }
    - key: free
      value: "yes"
      descriptors:
      - { key: plan, value: gold, rate_limit: { unit: year, requests_per_unit: 9 } }
---
`

const FILTERS = `apiVersion: networking.istio.io/v1alpha3
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
          "@type": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit
          domain: edge
          timeout: 8s
  - applyTo: VIRTUAL_HOST
    match: { context: GATEWAY, routeConfiguration: { vhost: { name: "app.test:80" } } }
    patch:
      operation: MERGE
      value:
        rate_limits:
        - actions: [{ request_headers: { header_name: x-user, descriptor_key: user } }]
        - actions: [{ generic_key: { descriptor_key: app, descriptor_value: all } }]
        - actions:
          - { generic_key: { descriptor_key: free, descriptor_value: "yes" } }
          - { request_headers: { header_name: x-plan, descriptor_key: plan } }
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: buckets, namespace: istio-system }
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match: { context: GATEWAY }
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.http.local_ratelimit
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
          stat_prefix: buckets
          token_bucket: { max_tokens: 50, tokens_per_fill: 1, fill_interval: 3600s }
          filter_enabled: { default_value: { numerator: 100 } }
          filter_enforced: { default_value: { numerator: 100 } }
---
`

const POLICY = `apiVersion: tidegate.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: api }
spec:
  targetRef: { kind: VirtualService, name: app }
  timeout: 8s
  rules:
  - name: everybody
    limits: [{ requests: 20, per: 8760h }]
  - name: per-key
    match: { headers: { x-key: { distinct: true } } }
    limits: [{ requests: 2, per: 8760h, algorithm: slidingWindow }]
  - name: gold
    match: { headers: { x-plan: { exact: gold } }, source: { distinct: true } }
    limits: [{ requests: 5, per: 8760h, algorithm: fixedWindow }]
---
`

/** `app.test` on Gateway port 80 with a global, a local and a native limit; files by name. */
export function limitedByAll(upstreamPort: number): Readonly<Record<string, string>> {
  return {
    'app.yaml': [
      service('app', upstreamPort),
      gateway('gw', ['app.test']),
      virtualService('app', ['app.test'], ['gw'], '  - route: [{ destination: { host: app } }]'),
      FILTERS,
      POLICY,
    ].join(''),
    'limits.yaml': DESCRIPTORS,
  }
}

import { expect, test } from 'vitest'
import { ACCESS_LOG_MESH, loggedExchanges } from '../support/access-log.ts'
import { problemsOf } from '../support/admin-view.ts'
import { call } from '../support/call.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const BUCKET = 'token_bucket: { max_tokens: 2, tokens_per_fill: 2, fill_interval: 86400s }'
const ALWAYS = 'default_value: { numerator: 100, denominator: HUNDRED }'
const ON = `filter_enabled: { runtime_key: local_rate_limit_enabled, ${ALWAYS} }
              filter_enforced: { runtime_key: local_rate_limit_enforced, ${ALWAYS} }`

function app(upstreamPort: number, patches: string): string {
  return `${ACCESS_LOG_MESH}${service('app', upstreamPort)}${gateway('gw', ['app.test'])}${virtualService(
    'app',
    ['app.test'],
    ['gw'],
    `  - { name: api, match: [{ uri: { prefix: /api } }], route: [{ destination: { host: app } }] }
  - { name: rest, route: [{ destination: { host: app } }] }`,
  )}apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: local-limits, namespace: istio-system }
spec:
  configPatches:
${patches}`
}

/** Istio's task: the filter in front of everything, in its older notation. */
function httpFilter(fields: string): string {
  return `  - applyTo: HTTP_FILTER
    match: { context: GATEWAY, listener: { filterChain: { filter: { name: envoy.filters.network.http_connection_manager } } } }
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.http.local_ratelimit
        typed_config:
          "@type": type.googleapis.com/udpa.type.v1.TypedStruct
          type_url: type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
          value:
              stat_prefix: http_local_rate_limiter
              ${fields}
`
}

async function statuses(gw: TestGateway, times: number, path: string): Promise<readonly number[]> {
  const seen: number[] = []
  for (let i = 0; i < times; i++) {
    seen.push((await call({ port: gw.port(80), host: 'app.test', path })).status)
  }
  return seen
}

test('a gateway as a whole: two requests, then 429 with body, headers, flag and details', async () => {
  await using upstream = await startUpstream('app')
  const headers = `response_headers_to_add:
              - { append: false, header: { key: x-local-rate-limit, value: "true" } }`
  const fields = [BUCKET, ON, headers].join('\n              ')
  await using gw = await startGateway(app(upstream.port, httpFilter(fields)))
  expect(await problemsOf(gw, 'envoy-filter-unmatched')).toEqual([])
  expect(await statuses(gw, 1, '/api')).toEqual([200])
  expect(await statuses(gw, 2, '/')).toEqual([200, 429])
  const denied = await call({ port: gw.port(80), host: 'app.test' })
  expect(denied).toMatchObject({ status: 429, body: 'local_rate_limited' })
  expect(denied.headers).toMatchObject({
    'x-local-rate-limit': 'true',
    'x-envoy-ratelimited': 'true',
  })
  expect(Number(denied.headers['retry-after'])).toBeGreaterThan(0)
  const logged = await loggedExchanges(gw, ['/'])
  expect(logged.get('/')).toMatchObject({ flags: 'RL', details: 'local_rate_limited' })
})

test('one route: the filter stands ready and the route brings the bucket', async () => {
  await using upstream = await startUpstream('app')
  const perRoute = `  - applyTo: HTTP_ROUTE
    match: { context: GATEWAY, routeConfiguration: { vhost: { name: "app.test:80", route: { name: api } } } }
    patch:
      operation: MERGE
      value:
        typed_per_filter_config:
          envoy.filters.http.local_ratelimit:
              "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: http_local_rate_limiter
              ${BUCKET}
              ${ON}
`
  const yaml = app(upstream.port, httpFilter('') + perRoute)
  await using gw = await startGateway(yaml)
  expect(await statuses(gw, 3, '/api')).toEqual([200, 200, 429])
  expect(await statuses(gw, 4, '/')).toEqual([200, 200, 200, 200])
  // Buckets outlive a change of configuration.
  gw.write('other.yaml', 'apiVersion: v1\nkind: Namespace\nmetadata: { name: new }\n')
  await gw.reload()
  expect(await statuses(gw, 1, '/api')).toEqual([429])
})

test('connections may have buckets of their own', async () => {
  await using upstream = await startUpstream('app')
  const fields = [BUCKET, ON, 'local_rate_limit_per_downstream_connection: true']
  await using gw = await startGateway(
    app(upstream.port, httpFilter(fields.join('\n              '))),
  )
  // Each call has a connection of its own.
  expect(await statuses(gw, 4, '/')).toEqual([200, 200, 200, 200])
})

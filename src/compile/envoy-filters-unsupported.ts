/** What to use instead of patches this gateway does not apply. */
const BY_TARGET: Readonly<Record<string, string>> = {
  LISTENER: 'Use Gateway servers for ports and TLS, MeshConfig for listener-wide settings.',
  FILTER_CHAIN: 'Use Gateway servers for TLS and SNI.',
  NETWORK_FILTER:
    'Connection manager settings come from MeshConfig: pathNormalization, defaultConfig.gatewayTopology and proxyHeaders.',
  LISTENER_FILTER: 'Use MeshConfig defaultConfig.gatewayTopology.proxyProtocol for PROXY protocol.',
  ROUTE_CONFIGURATION: 'Use VirtualService http[].headers for headers on every route.',
  CLUSTER:
    'Use DestinationRule trafficPolicy for cluster settings, ServiceEntry to add a destination.',
  EXTENSION_CONFIG: 'Put the filter itself into an HTTP_FILTER patch.',
  BOOTSTRAP: 'There is no Envoy bootstrap here; see `tidegate run --help` for process settings.',
  INVALID: 'applyTo must say what is patched: HTTP_FILTER, VIRTUAL_HOST or HTTP_ROUTE.',
}

export function hintForTarget(applyTo: string): string {
  return BY_TARGET[applyTo] ?? 'HTTP_FILTER, VIRTUAL_HOST and HTTP_ROUTE patches are applied.'
}

const BY_FILTER: readonly (readonly [fragment: string, hint: string])[] = [
  ['lua', 'Use VirtualService headers, rewrite or redirect, or a Fastify plugin (--plugin).'],
  ['wasm', 'Use a Fastify plugin (--plugin).'],
  ['golang', 'Use a Fastify plugin (--plugin).'],
  ['ext_proc', 'Use a Fastify plugin (--plugin).'],
  ['compressor', 'Use the Fastify plugin @fastify/compress (--plugin).'],
  ['header_mutation', 'Use VirtualService http[].headers.'],
  ['cors', 'Use VirtualService http[].corsPolicy.'],
  ['fault', 'Use VirtualService http[].fault.'],
  ['basic_auth', 'Use the Fastify plugin @fastify/basic-auth (--plugin).'],
  ['jwt_authn', 'Use a Fastify plugin (--plugin) for token checks.'],
  ['rbac', 'Use a Fastify plugin (--plugin) for access rules.'],
  ['ext_authz', 'Use a Fastify plugin (--plugin) that asks the authorization service.'],
]

/** By type URL or filter name. */
export function hintForFilter(name: string): string {
  for (const [fragment, hint] of BY_FILTER) if (name.includes(fragment)) return hint
  return 'Use a VirtualService field where one fits, or a Fastify plugin (--plugin).'
}

const BY_FIELD: Readonly<Record<string, string>> = {
  requestHeadersToAdd: 'Use VirtualService http[].headers.request.',
  requestHeadersToRemove: 'Use VirtualService http[].headers.request.remove.',
  responseHeadersToAdd: 'Use VirtualService http[].headers.response.',
  responseHeadersToRemove: 'Use VirtualService http[].headers.response.remove.',
  cors: 'Use VirtualService http[].corsPolicy.',
  retryPolicy: 'Use VirtualService http[].retries.',
  timeout: 'Use VirtualService http[].timeout.',
  hashPolicy: 'Use DestinationRule trafficPolicy.loadBalancer.consistentHash.',
  prefixRewrite: 'Use VirtualService http[].rewrite.',
  regexRewrite: 'Use VirtualService http[].rewrite.uriRegexRewrite.',
  hostRewriteLiteral: 'Use VirtualService http[].rewrite.authority.',
  cluster: 'Use VirtualService http[].route.',
  weightedClusters: 'Use VirtualService http[].route with weights.',
  match: 'Use VirtualService http[].match.',
  redirect: 'Use VirtualService http[].redirect.',
  directResponse: 'Use VirtualService http[].directResponse.',
  requireTls: 'Use Gateway servers[].tls.httpsRedirect.',
  domains: 'Use VirtualService hosts.',
  routes: 'Use VirtualService http[].',
  requestMirrorPolicies: 'Use VirtualService http[].mirrors.',
}

export function hintForField(field: string): string {
  return BY_FIELD[field] ?? 'rate_limits and typed_per_filter_config are applied.'
}

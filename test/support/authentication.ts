import { ACCESS_LOG_MESH } from './access-log.ts'
import { type Answer, call, type CallOptions } from './call.ts'
import type { TestGateway } from './gateway.ts'
import { gateway, service, virtualService } from './yaml.ts'

const ROUTES = '  - route: [{ destination: { host: app } }]'

/** A host app.test on port 80 with an upstream, and documents behind it. */
export function authenticatedApp(
  upstreamPort: number,
  documents: readonly string[],
  routes = ROUTES,
): string {
  return (
    ACCESS_LOG_MESH +
    service('app', upstreamPort) +
    gateway('gw', ['app.test']) +
    virtualService('app', ['app.test'], ['gw'], routes) +
    documents.join('')
  )
}

/** A RequestAuthentication of the root namespace; each rule is YAML in flow style without braces. */
export function requestAuthentication(name: string, ...rules: readonly string[]): string {
  const list = rules.map((rule) => `  - { ${rule} }`).join('\n')
  return `apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: ${name}, namespace: istio-system }
spec:
  jwtRules:
${list}
---
`
}

/** A request to app.test, with a bearer token unless `token` is null. */
export function askWith(
  gw: TestGateway,
  token: string | null,
  options: Partial<CallOptions> = {},
): Promise<Answer> {
  const bearer: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` }
  const headers = { ...bearer, ...options.headers }
  return call({ port: gw.port(80), host: 'app.test', ...options, headers })
}

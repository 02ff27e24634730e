import { randomUUID } from 'node:crypto'
import { isIP } from 'node:net'
import type { DownstreamConnection } from '../http/exchange.ts'
import type { Request } from '../http/request.ts'
import type { MeshSettings } from '../snapshot/mesh-settings.ts'

/** Control headers of Envoy that a client outside must not set (istio proxies remove them at the edge). */
const UNTRUSTED = new Set([
  'x-envoy-retry-on',
  'x-envoy-retry-grpc-on',
  'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names',
  'x-envoy-is-timeout-retry',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-max-retries',
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-force-trace',
  'x-envoy-decorator-operation',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
  'x-envoy-ip-tags',
  'x-envoy-internal',
  'x-envoy-original-path',
  'x-envoy-original-host',
  'x-envoy-attempt-count',
  'x-envoy-external-address',
  'x-forwarded-client-cert',
])

/** What the edge found out about the client. */
export interface ClientView {
  /** Trusted client address without port. */
  readonly clientAddress: string
  readonly requestId: string
}

/**
 * Makes the headers the edge owns true: drops what a client may not say, appends the peer to
 * x-forwarded-for (not at egress: an outside host learns no pod's address), sets x-forwarded-proto and x-request-id. The trusted client is the N-th entry
 * from the right of the incoming x-forwarded-for (gatewayTopology.numTrustedProxies = N), the
 * socket's peer when N is 0 or the list is shorter.
 */
export function ownForwardedHeaders(
  request: Request,
  connection: DownstreamConnection,
  mesh: MeshSettings,
  direction: 'ingress' | 'egress',
): ClientView {
  dropUntrusted(request)
  const headers = request.headers
  const incoming = headers.combined('x-forwarded-for')
  const peer = connection.remoteAddress
  const trusted = mesh.trustedProxies
  const trusts = direction === 'ingress' && trusted > 0
  const clientAddress = trusts && incoming !== null ? trustedHop(incoming, trusted, peer) : peer
  if (direction === 'ingress') {
    headers.set('x-forwarded-for', incoming === null ? peer : `${incoming},${peer}`)
  }

  const proto = trusts ? headers.get('x-forwarded-proto') : null
  if (proto === 'http' || proto === 'https') request.scheme = proto
  else headers.set('x-forwarded-proto', request.scheme)

  let requestId = ''
  if (mesh.requestIdHeader) {
    requestId = randomUUID()
    headers.set('x-request-id', requestId)
  } else {
    requestId = headers.get('x-request-id') ?? ''
  }
  return { clientAddress, requestId }
}

function dropUntrusted(request: Request): void {
  const fields = request.headers.fields
  let kept = 0
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!
    if (name.charCodeAt(0) === 120 && UNTRUSTED.has(name)) continue
    if (kept !== i) {
      fields[kept] = name
      fields[kept + 1] = fields[i + 1]!
    }
    kept += 2
  }
  fields.length = kept
}

/** Entry `hops` from the right of a comma list; the peer when it is missing or no address. */
function trustedHop(list: string, hops: number, peer: string): string {
  let end = list.length
  for (let hop = 1; ; hop++) {
    const comma = list.lastIndexOf(',', end - 1)
    if (hop === hops) {
      const address = list.slice(comma + 1, end).trim()
      return isIP(address) === 0 ? peer : address
    }
    if (comma <= 0) return peer
    end = comma
  }
}

import type { ClientView } from '../http/client-view.ts'
import type { DownstreamConnection } from '../http/exchange.ts'
import type { Request } from '../http/request.ts'
import type { MeshSettings } from '../snapshot/mesh-settings.ts'
import { ownForwardedHeaders } from './forwarded-headers.ts'

/** Makes the headers the edge owns true before a request on a Gateway server is routed. */
export function ownIngressHeaders(
  request: Request,
  connection: DownstreamConnection,
  mesh: MeshSettings,
): ClientView {
  const client = ownForwardedHeaders(request, connection, mesh, 'ingress')
  request.headers.set('x-envoy-external-address', client.clientAddress)
  return client
}

/** As ownIngressHeaders, on the egress proxy: what was said to the proxy alone ends here. */
export function ownEgressHeaders(
  request: Request,
  connection: DownstreamConnection,
  mesh: MeshSettings,
): ClientView {
  const client = ownForwardedHeaders(request, connection, mesh, 'egress')
  request.headers.remove('proxy-authorization')
  return client
}

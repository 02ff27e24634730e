import { isIP } from 'node:net'
import type { TrustedPeers } from '../base/trusted-peers.ts'
import type { ClientView } from '../http/client-view.ts'
import type { DownstreamConnection } from '../http/exchange.ts'
import type { Headers } from '../http/headers.ts'
import type { Request } from '../http/request.ts'
import type { MeshSettings } from '../snapshot/mesh-settings.ts'
import { requestIds } from './request-id.ts'
import { CLIENT_CERT_HEADER, clientCertElement, keepsClientCert } from './client-cert-header.ts'

/** Dropped, whoever sends it. */
const ALWAYS = 1
/** Dropped unless the peer is trusted. */
const UNLESS_TRUSTED = 2
/** Dropped unless gatewayTopology.forwardClientCertDetails says otherwise. */
const UNLESS_FORWARDED = 3

/** No name that begins so comes in from outside, be it one that Envoy has yet to add. */
const ENVOY_PREFIX = 'x-envoy-'

/**
 * What a client must not say: control headers of Envoy and mesh identities, which Istio's proxies
 * remove at the edge as well, and what only a proxy in front can know. Of `ENVOY_PREFIX` those that
 * do not leave the mesh either.
 */
const EDGE_OWNED = new Map<string, number>([
  ['x-envoy-retry-on', ALWAYS],
  ['x-envoy-retry-grpc-on', ALWAYS],
  ['x-envoy-retriable-status-codes', ALWAYS],
  ['x-envoy-retriable-header-names', ALWAYS],
  ['x-envoy-is-timeout-retry', ALWAYS],
  ['x-envoy-hedge-on-per-try-timeout', ALWAYS],
  ['x-envoy-max-retries', ALWAYS],
  ['x-envoy-upstream-rq-timeout-ms', ALWAYS],
  ['x-envoy-upstream-rq-per-try-timeout-ms', ALWAYS],
  ['x-envoy-upstream-stream-duration-ms', ALWAYS],
  ['x-envoy-upstream-alt-stat-name', ALWAYS],
  ['x-envoy-upstream-rq-timeout-alt-response', ALWAYS],
  ['x-envoy-expected-rq-timeout-ms', ALWAYS],
  ['x-envoy-force-trace', ALWAYS],
  ['x-envoy-decorator-operation', ALWAYS],
  ['x-envoy-downstream-service-cluster', ALWAYS],
  ['x-envoy-downstream-service-node', ALWAYS],
  ['x-envoy-ip-tags', ALWAYS],
  ['x-envoy-internal', ALWAYS],
  ['x-envoy-original-path', ALWAYS],
  ['x-envoy-original-host', ALWAYS],
  ['x-envoy-original-dst-host', ALWAYS],
  ['x-envoy-attempt-count', ALWAYS],
  ['x-envoy-external-address', ALWAYS],
  ['x-envoy-peer-metadata', ALWAYS],
  ['x-envoy-peer-metadata-id', ALWAYS],
  ['x-forwarded-host', UNLESS_TRUSTED],
  ['x-forwarded-port', UNLESS_TRUSTED],
  [CLIENT_CERT_HEADER, UNLESS_FORWARDED],
])

/** Entries of x-forwarded-for that are looked at from the right, at most. */
export const MAX_HOPS = 64
/** A longer x-request-id of a trusted proxy is replaced. */
export const MAX_REQUEST_ID_LENGTH = 128

/**
 * Makes the headers the edge owns true: drops what a client may not say, appends the peer to
 * x-forwarded-for (not at egress: an outside host learns no pod's address), sets x-forwarded-proto,
 * x-request-id and, where wanted, x-forwarded-port and x-forwarded-client-cert.
 *
 * The trusted client is the N-th entry from the right of the incoming x-forwarded-for
 * (gatewayTopology.numTrustedProxies = N), the socket's peer when N is 0 or the list is shorter.
 * With a list of trusted peers N counts for nothing: of a peer in it the client is the right-most
 * entry that is not, and x-request-id is kept; any other peer is itself the client, and the
 * x-forwarded-for it sent is dropped.
 */
export function ownForwardedHeaders(
  request: Request,
  connection: DownstreamConnection,
  mesh: MeshSettings,
  direction: 'ingress' | 'egress',
): ClientView {
  const headers = request.headers
  if (direction === 'egress') {
    dropOwned(headers, false, true, false)
    headers.set('x-forwarded-proto', request.scheme)
    const requestId = ownRequestId(headers, mesh, false)
    return { clientAddress: connection.remoteAddress, requestId }
  }
  const peer = connection.remoteAddress
  const peers = mesh.trustedPeers
  const trusted = peers === null ? mesh.trustedProxies > 0 : peers.trusts(connection, peer)
  const certificate = connection.tls === null ? null : connection.tls.clientCertificate
  const { clientCert } = mesh
  dropOwned(
    headers,
    true,
    trusted || mesh.foreignForwardedHost,
    keepsClientCert(clientCert, certificate !== null),
  )
  if (certificate !== null) addClientCert(headers, clientCertElement(clientCert, certificate))

  const sent = peers === null || trusted ? headers.combined('x-forwarded-for') : null
  let clientAddress = peer
  if (trusted && sent !== null) {
    clientAddress =
      peers === null ? trustedHop(sent, mesh.trustedProxies, peer) : clientBehind(sent, peers, peer)
  }
  headers.set('x-forwarded-for', sent === null ? peer : `${sent},${peer}`)

  const scheme = trusted ? forwardedScheme(headers) : null
  if (scheme === null) headers.set('x-forwarded-proto', request.scheme)
  else request.scheme = scheme
  if (mesh.forwardedPort && !(trusted && headers.has('x-forwarded-port')))
    headers.set('x-forwarded-port', String(connection.localPort))
  return { clientAddress, requestId: ownRequestId(headers, mesh, peers !== null && trusted) }
}

/**
 * proxyHeaders.xForwardedHost, before a rewrite of Host: the Host there was goes to the end of
 * x-forwarded-host, unless it stands there already.
 */
export function appendForwardedHost(headers: Headers, authority: string): void {
  const sent = headers.combined('x-forwarded-host')
  if (sent === null || sent === '') {
    headers.set('x-forwarded-host', authority)
    return
  }
  const last = sent.slice(sent.lastIndexOf(',') + 1).trim()
  headers.set('x-forwarded-host', last === authority ? sent : `${sent},${authority}`)
}

/** Removes what `EDGE_OWNED` says, from outside all of `ENVOY_PREFIX` too, every line of it. */
function dropOwned(
  headers: Headers,
  fromOutside: boolean,
  keepsHost: boolean,
  keepsCert: boolean,
): void {
  const fields = headers.fields
  let kept = 0
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!
    if (name.charCodeAt(0) === 120) {
      // x-e: few names get as far as a comparison.
      if (fromOutside && name.charCodeAt(2) === 101 && name.startsWith(ENVOY_PREFIX)) continue
      const rule = EDGE_OWNED.get(name)
      if (
        rule === ALWAYS ||
        (rule === UNLESS_TRUSTED && !keepsHost) ||
        (rule === UNLESS_FORWARDED && !keepsCert)
      )
        continue
    }
    if (kept !== i) {
      fields[kept] = name
      fields[kept + 1] = fields[i + 1]!
    }
    kept += 2
  }
  // Setting a length calls into the engine even when it stays.
  if (kept < fields.length) fields.length = kept
}

/** `element` is null where the gateway says nothing of its own. */
function addClientCert(headers: Headers, element: string | null): void {
  if (element === null) return
  const sent = headers.combined(CLIENT_CERT_HEADER)
  headers.set(CLIENT_CERT_HEADER, sent === null || sent === '' ? element : `${sent},${element}`)
}

/** What a trusted proxy says of the client's scheme, or null when it says nothing that is one. */
function forwardedScheme(headers: Headers): 'http' | 'https' | null {
  const sent = headers.combined('x-forwarded-proto')
  if (sent === null) return null
  if (sent === 'http' || sent === 'https') return sent
  const lower = sent.toLowerCase()
  if (lower !== 'http' && lower !== 'https') return null
  headers.set('x-forwarded-proto', lower)
  return lower
}

/** proxyHeaders.requestId. One id of a trusted peer is kept. */
function ownRequestId(headers: Headers, mesh: MeshSettings, mayKeep: boolean): string {
  if (!mesh.requestIdHeader) return headers.get('x-request-id') ?? ''
  if (mayKeep) {
    // Several lines are joined by a comma, which no id has in it.
    const sent = headers.combined('x-request-id')
    if (sent !== null && isRequestId(sent)) return sent
  }
  const requestId = requestIds.next()
  headers.set('x-request-id', requestId)
  return requestId
}

function isRequestId(text: string): boolean {
  if (text === '' || text.length > MAX_REQUEST_ID_LENGTH) return false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f || code === 0x2c) return false
  }
  return true
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

/**
 * The right-most entry that is no trusted peer; when all are, the left-most. What is no address
 * ends the chain: the proxy that passed it on counts as the client.
 */
function clientBehind(list: string, peers: TrustedPeers, peer: string): string {
  let nearest = peer
  let end = list.length
  for (let hop = 0; hop < MAX_HOPS; hop++) {
    const comma = list.lastIndexOf(',', end - 1)
    const address = list.slice(comma + 1, end).trim()
    if (isIP(address) === 0) return nearest
    if (!peers.has(address)) return address
    nearest = address
    if (comma <= 0) return nearest
    end = comma
  }
  return nearest
}

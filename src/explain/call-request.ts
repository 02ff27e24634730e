import { isIPv6 } from 'node:net'
import { fromBytes, toBytes } from '../base/latin1.ts'
import type { DownstreamConnection } from '../http/exchange.ts'
import { HEAD_TOO_LARGE, type Refusal } from '../http/refusal.ts'
import { Request } from '../http/request.ts'
import { RequestHeadParser } from '../http/request-head.ts'
import { WireSettings } from '../listeners/wire-settings.ts'
import { ownEgressHeaders, ownIngressHeaders } from '../proxy/own-headers.ts'
import type { MeshSettings } from '../snapshot/mesh-settings.ts'
import type { CallUrl, ExplainCall } from './call.ts'
import type { ExplainedRequest } from './explanation.ts'

/** A call that the wire accepted, with the headers the edge owns in place. */
export interface AcceptedCall {
  readonly request: Request
  /** What the client sent before normalisation. */
  readonly sentTarget: string
  readonly clientAddress: string
  readonly connection: DownstreamConnection
}

export interface CallPeer {
  readonly address: string
  /** Scheme of the connection. */
  readonly scheme: 'http' | 'https'
  readonly serverName: string | null
}

/**
 * Writes the call as a client would and reads it with the gateway's own parser, under the settings
 * in force: what the wire refuses is refused here.
 */
export function acceptCall(
  call: ExplainCall,
  url: CallUrl,
  peer: CallPeer,
  mesh: MeshSettings,
): AcceptedCall | Refusal {
  const sentTarget = call.egress ? egressTarget(call, url) : url.target
  const text = toBytes(headText(call, url, sentTarget))
  const settings = new WireSettings(mesh.connections).h1
  if (text.length > settings.maxHeadBytes) return HEAD_TOO_LARGE
  const parser = new RequestHeadParser(settings, peer.scheme)
  const request = parser.parse(text, text.length - HEAD_END.length)
  if (!(request instanceof Request)) return request
  const connection = connectionOf(peer)
  const own = call.egress ? ownEgressHeaders : ownIngressHeaders
  const { clientAddress } = own(request, connection, mesh)
  return { request, sentTarget, clientAddress, connection }
}

const HEAD_END = '\r\n\r\n'

function headText(call: ExplainCall, url: CallUrl, target: string): string {
  const named = (wanted: string): boolean =>
    call.headers.some(([name]) => name.toLowerCase() === wanted)
  const fields = call.headers.map(([name, value]) => `${name}: ${value}`)
  if (!named('host')) fields.unshift(`host: ${url.authority}`)
  if (url.webSocket && !named('upgrade')) fields.push('upgrade: websocket')
  if (url.webSocket && !named('connection')) fields.push('connection: Upgrade')
  return [`${call.method} ${target} HTTP/1.1`, ...fields].join('\r\n') + HEAD_END
}

/** Absolute-form for HTTP; a tunnel for https and for CONNECT itself, as curl -x does. */
function egressTarget(call: ExplainCall, url: CallUrl): string {
  if (call.method !== 'CONNECT') return `http://${url.authority}${url.target}`
  return `${isIPv6(url.host) ? `[${url.host}]` : url.host}:${url.port}`
}

const CLIENT_PORT = 50_000

function connectionOf({ address, serverName, scheme }: CallPeer): DownstreamConnection {
  return {
    remoteAddress: address,
    remotePort: CLIENT_PORT,
    localAddress: '127.0.0.1',
    localPort: 0,
    tls:
      scheme === 'http'
        ? null
        : { serverName, protocol: 'TLSv1.3', cipher: '', clientCertificate: null },
    context: null,
  }
}

export function explainRequest({
  request,
  sentTarget,
  clientAddress,
}: AcceptedCall): ExplainedRequest {
  const { method, scheme, authority } = request
  const path = fromBytes(request.path)
  const query = fromBytes(request.query)
  const kept = method === 'CONNECT' || request.absoluteForm || sentTarget === path + query
  return {
    method,
    scheme,
    authority,
    path,
    query,
    sentTarget: kept ? null : sentTarget,
    clientAddress,
  }
}

const REASONS: Readonly<Record<string, string>> = {
  'control-character': 'the request holds a control character',
  'bad-start-line': 'the request line is malformed: a space in the path has to be sent as %20',
  'bad-target':
    'the path is refused: it holds a fragment, a byte that no URI may hold, or an escape that path normalisation refuses',
  'bad-field-name': 'a header name is malformed',
  'underscore-in-field-name':
    'a header name holds an underscore (connectionSettings.httpHeadersWithUnderscoresAction rejects it)',
  'repeated-field': 'Authorization or Content-Type came twice',
  'bad-host': 'the Host header is no host with optional port',
  'missing-host': 'there is no Host header',
  'bad-content-length': 'content-length is no number',
  'bad-transfer-encoding': 'transfer-encoding is not chunked',
  'content-length-and-transfer-encoding': 'content-length and transfer-encoding came together',
  'bad-connection': 'the Connection header is malformed, or names a field that must not be dropped',
  'unexpected-body': 'this method takes no body',
  'unknown-expectation': 'Expect asks for something other than 100-continue',
  'head-too-large': 'the head is larger than connectionSettings allows',
  'too-many-fields': 'there are more header fields than connectionSettings allows',
  'unknown-transfer-coding': 'this transfer coding is not known',
}

/** A refusal of the wire as a sentence. */
export function refusalReason({ reason }: Refusal): string {
  return REASONS[reason] ?? reason
}

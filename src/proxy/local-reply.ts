import { toBytes } from '../base/latin1.ts'
import type { Headers } from '../http/headers.ts'
import type { Exchange } from './exchange.ts'
import { isGrpcContentType } from './grpc-content-type.ts'
import { grpcMessage, grpcStatusOf } from './grpc-status.ts'
import { ownResponseHeaders } from './response.ts'

/**
 * An answer of the gateway's own. Once a route is chosen its response header operations decorate it
 * too. A gRPC request gets HTTP 200 with a trailers-only answer: the grpc-status that `headers` has,
 * else the one that stands for `status`.
 */
export function sendLocalReply(
  exchange: Exchange,
  status: number,
  headers: Headers,
  body: string | Buffer,
  flag: string,
  details: string,
): void {
  exchange.clearTimers()
  if (flag !== '') exchange.addFlag(flag)
  exchange.details = details
  exchange.status = status
  if (exchange.attempt !== null) {
    exchange.attempt.abort()
    exchange.attempt = null
    exchange.stream = null
  }
  if (exchange.request.upgrade !== null) exchange.downstream.closeAfter()
  if (isGrpcContentType(exchange.request.headers.get('content-type'))) {
    sendGrpcReply(
      exchange,
      status,
      headers,
      typeof body === 'string' ? toBytes(body) : body.toString('latin1'),
    )
    return
  }
  if (body.length > 0 && !headers.has('content-type')) headers.add('content-type', 'text/plain')
  ownResponseHeaders(exchange, headers)
  exchange.responseHeaders = headers
  if (exchange.request.method === 'HEAD') {
    exchange.headWasLast = true
    exchange.downstream.sendHead(status, headers, Buffer.byteLength(body), true)
  } else {
    exchange.downstream.sendWhole(status, headers, body)
  }
}

function sendGrpcReply(exchange: Exchange, status: number, headers: Headers, body: string): void {
  const grpcStatus = headers.get('grpc-status') ?? String(grpcStatusOf(status))
  exchange.grpcStatus = grpcStatus
  exchange.status = 200
  headers.set('content-type', 'application/grpc')
  headers.set('grpc-status', grpcStatus)
  if (body !== '') headers.set('grpc-message', grpcMessage(body))
  ownResponseHeaders(exchange, headers)
  exchange.responseHeaders = headers
  exchange.headWasLast = true
  exchange.downstream.sendHead(200, headers, 0, true)
}

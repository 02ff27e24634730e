import { Headers } from '../http/headers.ts'
import type { Request } from '../http/request.ts'
import type { Exchange } from './exchange.ts'
import { isGrpcContentType } from './grpc-content-type.ts'
import { sendLocalReply } from './local-reply.ts'

/**
 * 307 to the path without escaped slashes (connectionSettings.httpPathWithEscapedSlashesAction
 * UNESCAPE_AND_REDIRECT). gRPC clients do not follow redirects: they get 400, which is INTERNAL.
 */
export function redirectUnescaped(exchange: Exchange): void {
  const { request } = exchange
  const headers = new Headers()
  if (!followsRedirects(request)) {
    sendLocalReply(exchange, 400, headers, '', '', 'path_normalization_failed')
    return
  }
  headers.add('location', request.path + request.query)
  sendLocalReply(exchange, 307, headers, '', '', 'path_normalization_redirect')
}

/** gRPC clients do not. */
export function followsRedirects(request: Request): boolean {
  return !isGrpcContentType(request.headers.get('content-type'))
}

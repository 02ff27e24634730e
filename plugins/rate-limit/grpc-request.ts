import type { FilterExchange } from '../../src/filters/filter.ts'

const GRPC = 'application/grpc'

/** `application/grpc`, also with a message format or parameters; not gRPC-Web. */
export function isGrpcRequest({ request }: FilterExchange): boolean {
  const type = request.headers.get('content-type')
  if (type === null || !type.startsWith(GRPC)) return false
  const next = type.charAt(GRPC.length)
  return next === '' || next === '+' || next === ';' || next === ' '
}

/** grpc-status of a caller that asked too much: it should slow down, not try again elsewhere. */
export const RESOURCE_EXHAUSTED = '8'

import type { Headers } from '../http/headers.ts'

const CONTENT_TYPE = 'application/grpc'
/** What a client takes an answer without grpc-status for. */
const UNKNOWN = 2

/** HTTP says 200 whatever came of a gRPC call: grpc-status, mostly in the trailers, tells. */
export function isGrpcAnswer(status: number, headers: Headers): boolean {
  if (status !== 200) return false
  const type = headers.get('content-type')
  if (type === null || !type.startsWith(CONTENT_TYPE)) return false
  // `-` goes on to gRPC-Web, which keeps its status in the body.
  return type.charCodeAt(CONTENT_TYPE.length) !== 0x2d
}

/** grpc-status of trailers, or of a head without a body; UNKNOWN when there is none. */
export function grpcCodeOf(fields: Headers | null): number {
  const text = fields === null ? null : fields.get('grpc-status')
  if (text === null || !/^\d{1,3}$/.test(text)) return UNKNOWN
  return Number(text)
}

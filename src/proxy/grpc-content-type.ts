const GRPC = 'application/grpc'

/** `application/grpc`, alone or with a message format (`+proto`) or parameters behind it. gRPC-Web is not gRPC. */
export function isGrpcContentType(contentType: string | null): boolean {
  if (contentType === null || !contentType.startsWith(GRPC)) return false
  if (contentType.length === GRPC.length) return true
  const next = contentType.charCodeAt(GRPC.length)
  return next === 0x2b || next === 0x3b || next === 0x20
}

/** What a gRPC-Web content type says (PROTOCOL-WEB). */
export interface GrpcWebType {
  /** Base64 instead of bytes. */
  readonly text: boolean
  /** Message format with its `+`, or ''. */
  readonly format: string
}

const GRPC_WEB = /^application\/grpc-web(-text)?(\+[\w.+-]+)?[ \t]*(?:;|$)/i

/** null when it is another content type. */
export function grpcWebType(contentType: string): GrpcWebType | null {
  const found = GRPC_WEB.exec(contentType)
  return found === null ? null : { text: found[1] !== undefined, format: found[2] ?? '' }
}

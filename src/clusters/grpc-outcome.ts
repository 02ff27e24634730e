const INTERNAL_SERVER_ERROR = 500

/** HTTP status by gRPC code, as Envoy counts gRPC answers for outlier detection. */
const HTTP_STATUSES: readonly number[] = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
]

/** The HTTP status that says the same as a gRPC code. */
export function httpStatusOfGrpc(code: number): number {
  return HTTP_STATUSES[code] ?? INTERNAL_SERVER_ERROR
}

/** Full names of the gRPC methods this gateway calls and serves. */
export const SHOULD_RATE_LIMIT = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit'
export const HEALTH_CHECK = '/grpc.health.v1.Health/Check'
export const HEALTH_WATCH = '/grpc.health.v1.Health/Watch'

/** Messages travel as bytes: they are read and written here, not by the gRPC library. */
export function bytesAsTheyAre(bytes: Buffer): Buffer {
  return bytes
}

import { type DescriptorStatus, OVER_LIMIT } from '../wire/response-message.ts'

/**
 * RateLimit-Limit, -Remaining and -Reset of the first limit that is used up, else of the one with the
 * least left (envoyproxy/ratelimit with LIMIT_RESPONSE_HEADERS_ENABLED). Name, value, name, value.
 */
export function limitHeaders(statuses: readonly DescriptorStatus[]): readonly string[] {
  let chosen: DescriptorStatus | null = null
  for (const status of statuses) {
    if (status.limit === null) continue
    if (status.code === OVER_LIMIT) {
      chosen = status
      break
    }
    if (chosen === null || status.remaining < chosen.remaining) chosen = status
  }
  if (chosen === null || chosen.limit === null) return []
  return [
    'RateLimit-Limit',
    String(chosen.limit.requestsPerUnit),
    'RateLimit-Remaining',
    String(chosen.remaining),
    'RateLimit-Reset',
    String(chosen.resetSeconds),
  ]
}

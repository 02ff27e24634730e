/** What the limiter did since it was made. Plain counters, read by `status`. */
export class RateLimitStats {
  /** Requests that met at least one limit. */
  checks = 0
  /** Requests answered because a limit was used up. */
  denied = 0
  /** Checks without counters: Redis away, late or in error. */
  failures = 0
  /** Of those, requests refused because failure_mode_deny says so. */
  deniedOnFailure = 0
}

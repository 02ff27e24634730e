import type { ProbeQuestion } from '../../upstream/probe-question.ts'

/**
 * How endpoints are asked whether they are well: the annotation `tidegate.dev/health-check` of a
 * DestinationRule, Service or ServiceEntry. Times are milliseconds.
 */
export interface HealthCheckPlan {
  readonly question: ProbeQuestion
  /** From the end of one check to the next, give or take a tenth. */
  readonly intervalMs: number
  /** For connect, TLS handshake and answer together. */
  readonly timeoutMs: number
  /** Successes in a row that bring an endpoint back. */
  readonly healthyThreshold: number
  /** Failures in a row that take an endpoint out. */
  readonly unhealthyThreshold: number
  /** Port to ask, or null: the one requests go to. */
  readonly port: number | null
}

/** True when answers under one plan mean the same under the other. */
export function sameQuestion(a: HealthCheckPlan, b: HealthCheckPlan): boolean {
  return a.port === b.port && JSON.stringify(a.question) === JSON.stringify(b.question)
}

import type { UpstreamFailure } from './failure.ts'
import { Failure, failure } from './failures.ts'

/** The peer closed or reset the connection before a response head. */
export function closedBeforeHead(cause: unknown, receivedBytes: boolean): UpstreamFailure {
  const row = receivedBytes ? CLOSED_AFTER_BYTES : CLOSED_SILENTLY
  return new Failure('reset-before-headers', row, '', cause)
}

const CLOSED_SILENTLY = {
  flag: 'UC',
  status: 503,
  retryable: 'if-reused',
  resetReason: 'connection termination',
} as const

/** Part of an answer arrived: the peer worked on the request, so it is not repeated. */
const CLOSED_AFTER_BYTES = { ...CLOSED_SILENTLY, retryable: 'no' } as const

/** The connection ended within the body: the answer is truncated. */
export function closedWithinBody(cause: unknown): UpstreamFailure {
  return failure('reset-after-headers', '', cause)
}

/** The peer does not speak HTTP/1.1 as it must; `reason` is a constant of the parser. */
export function malformedResponse(reason: string): UpstreamFailure {
  return failure('protocol-error', reason)
}

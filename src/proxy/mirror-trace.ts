import type { Headers } from '../http/headers.ts'

/** Length of a version 00 traceparent, which longer versions begin with. */
const TRACEPARENT_LENGTH = 55
const FLAGS_AT = 53
const SAMPLED_BIT = 1

/**
 * Marks the trace context of a copy as not sampled (W3C Trace Context, B3 in both spellings): its
 * spans would be counted as the client's own. Fields that are not there are not added.
 */
export function leaveTraceUnsampled(headers: Headers): void {
  const parent = headers.get('traceparent')
  if (parent !== null && parent.length >= TRACEPARENT_LENGTH) {
    headers.set('traceparent', unsampledParent(parent))
  }
  const b3 = headers.get('b3')
  if (b3 !== null) headers.set('b3', unsampledB3(b3))
  if (headers.has('x-b3-flags')) {
    // The debug flag of B3 is a decision to sample.
    headers.remove('x-b3-flags')
    headers.set('x-b3-sampled', '0')
  } else if (headers.has('x-b3-sampled')) headers.set('x-b3-sampled', '0')
}

function unsampledParent(parent: string): string {
  const flags = Number.parseInt(parent.slice(FLAGS_AT, TRACEPARENT_LENGTH), 16)
  if (Number.isNaN(flags)) return parent
  const unsampled = (flags & ~SAMPLED_BIT).toString(16).padStart(2, '0')
  return parent.slice(0, FLAGS_AT) + unsampled + parent.slice(TRACEPARENT_LENGTH)
}

/** `0`, `1`, `d`, or `trace-span[-sampled[-parent]]`. */
function unsampledB3(value: string): string {
  const parts = value.split('-')
  if (parts.length === 1) return '0'
  parts[2] = '0'
  return parts.join('-')
}

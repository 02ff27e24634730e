import { expect, test } from 'vitest'
import { Headers } from '../http/headers.ts'
import { leaveTraceUnsampled } from './mirror-trace.ts'

const IDS = `${'1'.repeat(32)}-${'2'.repeat(16)}`

test.each<[name: string, fields: string[], after: string[]]>([
  ['no trace context', ['a', 'b'], ['a', 'b']],
  ['a sampled traceparent', ['traceparent', `00-${IDS}-01`], ['traceparent', `00-${IDS}-00`]],
  ['other trace flags stay', ['traceparent', `00-${IDS}-ff`], ['traceparent', `00-${IDS}-fe`]],
  ['a later version', ['traceparent', `01-${IDS}-01-x`], ['traceparent', `01-${IDS}-00-x`]],
  ['a malformed traceparent', ['traceparent', 'x'], ['traceparent', 'x']],
  ['b3, sampled', ['b3', `${IDS}-1`], ['b3', `${IDS}-0`]],
  ['b3, debug with parent', ['b3', `${IDS}-d-3`], ['b3', `${IDS}-0-3`]],
  ['b3, to be decided', ['b3', IDS], ['b3', `${IDS}-0`]],
  ['b3, decision only', ['b3', '1'], ['b3', '0']],
  ['b3 in several fields', ['x-b3-sampled', '1'], ['x-b3-sampled', '0']],
  ['the debug flag', ['x-b3-flags', '1'], ['x-b3-sampled', '0']],
])('%s', (_name, fields, after) => {
  const headers = new Headers(fields)
  leaveTraceUnsampled(headers)
  expect(headers.fields).toEqual(after)
})

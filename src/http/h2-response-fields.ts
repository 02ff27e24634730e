import { appendFields } from './h2-fields.ts'
import type { Headers } from './headers.ts'

/** node:http2 throws for statuses it does not know; what an upstream invents becomes 502. */
const MAX_STATUS = 599

/** The head of a final answer as a flat name, value list for node:http2. */
export function responseFields(status: number, headers: Headers): string[] {
  const list = [':status', status > MAX_STATUS || status < 200 ? '502' : String(status)]
  appendFields(list, headers)
  return list
}

/** Answers that node:http2 ends with their head. */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 205 || status === 304
}

/** What must come of a case. */
export interface Expectation {
  /** Final answers in their order, each with the statuses that are right. */
  readonly answers: readonly (readonly number[])[]
  /** Complete requests that reach a backend. */
  readonly forwarded: number
  /** A head may have gone upstream before the body turned out to be bad; never a complete request. */
  readonly begun?: boolean
  /** The answers may be cut short by a reset. */
  readonly mayReset?: boolean
  /** About the last request that reached a backend. */
  readonly target?: string
  readonly body?: string
  /** All trailers (`name: value`) where request-trailers is `forward`; default none. */
  readonly trailers?: readonly string[]
  /** Field lines (`name: value`) that must, or names that must not, be there. */
  readonly has?: readonly string[]
  readonly lacks?: readonly string[]
}

/** One row of the corpus: the bytes of a connection (latin1) and what must come of them. */
export interface WireCase {
  readonly name: string
  readonly bytes: string
  readonly expected: Expectation
}

/** Reaches only the gateway; at a backend it proves a smuggled request. */
export const SMUGGLED = 'GET /admin HTTP/1.1\r\nHost: locked.test\r\n\r\n'

export function lines(...parts: readonly string[]): string {
  return parts.map((part) => `${part}\r\n`).join('')
}

/** `GET /a` with more field lines. */
export function get(...fields: readonly string[]): string {
  return lines('GET /a HTTP/1.1', 'Host: shop.test', ...fields, '')
}

export function request(start: string, ...fields: readonly string[]): string {
  return lines(start, 'Host: shop.test', ...fields, '')
}

export function post(fields: readonly string[], body: string): string {
  return lines('POST /a HTTP/1.1', 'Host: shop.test', ...fields, '') + body
}

/** Answered with one of `statuses` and closed; nothing of it, or behind it, reaches a backend. */
export function refused(...statuses: readonly number[]): Expectation {
  return { answers: [statuses], forwarded: 0 }
}

/** The body is bad: no complete request reaches a backend. */
export function brokenBody(...statuses: readonly number[]): Expectation {
  return { answers: [statuses], forwarded: 0, begun: true }
}

/** The connection ends without an answer; no complete request reaches a backend. */
export const UNFINISHED: Expectation = { answers: [], forwarded: 0, begun: true, mayReset: true }

/** Closed without a word: there was no message. */
export const SILENT: Expectation = { answers: [], forwarded: 0 }

/** One request, forwarded and answered. */
export function passes(upstream: Omit<Expectation, 'answers' | 'forwarded'> = {}): Expectation {
  return { answers: [[200]], forwarded: 1, ...upstream }
}

/** `forwarded` requests and local answers in this order. */
export function answered(statuses: readonly number[], forwarded: number): Expectation {
  return { answers: statuses.map((status) => [status]), forwarded }
}

export function table(
  rows: readonly (readonly [name: string, bytes: string, expected: Expectation])[],
): WireCase[] {
  return rows.map(([name, bytes, expected]) => ({ name, bytes, expected }))
}

/** A printable name for a byte. */
export function named(code: number): string {
  return `0x${code.toString(16).padStart(2, '0')}`
}

import { FieldBlock, type UnderscoreNames } from './field-block.ts'
import { Headers } from './headers.ts'
import { BAD_TRAILER, REPEATED_FIELD } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { hasForbiddenControl } from './request-head.ts'

/**
 * Fields that must never arrive by the back door: framing, routing, authentication, content
 * description, request modifiers and control of answers (RFC 9110 6.5.1), and names the gateway
 * itself vouches for. What a head keeps apart (Host, Content-Length and their like) is left out
 * before.
 */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'age',
  'authorization',
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'expires',
  'forwarded',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'location',
  'max-forwards',
  'pragma',
  'proxy-authenticate',
  'proxy-authorization',
  'range',
  'retry-after',
  'server',
  'set-cookie',
  'trailer',
  'vary',
  'via',
  'www-authenticate',
  'x-real-ip',
  'x-request-id',
])

function isForbidden(name: string): boolean {
  return FORBIDDEN.has(name) || name.startsWith('x-forwarded-') || name.startsWith('x-envoy-')
}

/**
 * Reads a trailer section: field lines each closed by CRLF, without the closing empty line. Fields
 * that may not be trailers are left out silently; null when nothing is left. `underscores` as for
 * the head of the message: a twin of a forbidden name is not let in behind the body either.
 */
export function parseTrailers(
  text: string,
  maxFields: number,
  underscores: UnderscoreNames,
): Headers | Refusal | null {
  if (text === '') return null
  if (hasForbiddenControl(text)) return BAD_TRAILER
  const block = new FieldBlock()
  const refusal = block.read(text, 0, maxFields, underscores)
  if (refusal !== null && refusal !== REPEATED_FIELD) return refusal
  const kept: string[] = []
  const fields = block.fields
  for (let i = 0; i < fields.length; i += 2) {
    if (!isForbidden(fields[i]!)) kept.push(fields[i]!, fields[i + 1]!)
  }
  return kept.length === 0 ? null : new Headers(kept)
}

/**
 * `trailers`, from which it takes those that `connection`, the Connection field of their head, names
 * (RFC 9110 7.6.1); null when nothing is left. The head was accepted, so the list is a short one.
 */
export function withoutNominated(trailers: Headers, connection: string | null): Headers | null {
  if (connection === null) return trailers
  for (const option of connection.split(',')) trailers.remove(option.trim().toLowerCase())
  return trailers.size === 0 ? null : trailers
}

import type { UnderscoreNames } from './field-block.ts'
import { isFieldValue, isToken } from './field-syntax.ts'
import { Headers } from './headers.ts'
import { BAD_TRAILER, HEAD_TOO_LARGE, type Refusal, TOO_MANY_FIELDS } from './refusal.ts'
import { parseTrailers } from './trailers.ts'

/** Header object of node:http2's sendTrailers and additionalHeaders: no array form exists there. */
export type H2FieldObject = Record<string, string | string[]>

/** Fields that describe one HTTP/1 hop and must not appear in HTTP/2 (RFC 9113 8.2.2). */
export function isConnectionSpecific(name: string): boolean {
  switch (name) {
    case 'connection':
    case 'keep-alive':
    case 'proxy-connection':
    case 'transfer-encoding':
    case 'upgrade':
    case 'http2-settings':
      return true
    default:
      return false
  }
}

/**
 * Appends `headers` to a flat name, value list for node:http2. node:http2 hands its list on with
 * NUL as separator and checks no value, so a field that is not clean must never get there; parsers
 * and the compiler refuse such fields, leaving them out here is the second lock.
 */
export function appendFields(list: string[], headers: Headers): void {
  const fields = headers.fields
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!
    const value = fields[i + 1]!
    if (isSendable(name, value)) list.push(name, value)
  }
}

/** The same as an object without prototype; repeated names become arrays. */
export function fieldObject(headers: Headers | null): H2FieldObject {
  const object = Object.create(null) as H2FieldObject
  if (headers === null) return object
  const fields = headers.fields
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!
    const value = fields[i + 1]!
    if (!isSendable(name, value)) continue
    const before = object[name]
    if (before === undefined) object[name] = value
    else if (typeof before === 'string') object[name] = [before, value]
    else before.push(value)
  }
  return object
}

function isSendable(name: string, value: string): boolean {
  if (!isToken(name) || !isFieldValue(value) || isConnectionSpecific(name)) return false
  return name !== 'te' || value === 'trailers'
}

/**
 * Response trailers or 1xx fields as node:http2 lists them. Pseudo fields, fields of one hop and
 * whatever is not clean are left out; null when nothing remains. Who calls it has counted them
 * (see isOverLimits).
 */
export function receivedFields(rawHeaders: readonly string[]): Headers | null {
  const fields: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    const value = rawHeaders[i + 1]!
    if (!isSendable(name, value) || name === 'content-length' || name === 'host') continue
    fields.push(name, value)
  }
  return fields.length === 0 ? null : new Headers(fields)
}

/**
 * Request trailers: the same rules as for HTTP/1, so they are read by the same parser. Rare enough
 * for the detour over text.
 */
export function receivedTrailers(
  rawHeaders: readonly string[],
  rules: TrailerRules,
): Headers | null | Refusal {
  if (rawHeaders.length > rules.maxHeaderFields * 2) return TOO_MANY_FIELDS
  if (isOverLimits(rawHeaders, rules)) return HEAD_TOO_LARGE
  let text = ''
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    const value = rawHeaders[i + 1]!
    if (!isToken(name) || !isFieldValue(value)) return BAD_TRAILER
    if (!isConnectionSpecific(name)) text += `${name}: ${value}\r\n`
  }
  return parseTrailers(text, rules.maxHeaderFields, rules.underscoreNames)
}

/** Limits of one section of fields. */
export interface FieldLimits {
  readonly maxHeadBytes: number
  readonly maxHeaderFields: number
}

/** What reading request trailers needs to know. */
export interface TrailerRules extends FieldLimits {
  readonly underscoreNames: UnderscoreNames
}

/** What a field line costs besides its letters (RFC 9113 6.5.2). */
export const FIELD_OVERHEAD = 32

/**
 * More fields or bytes than a section may have? node:http2 has limits of its own, but they leave
 * room above ours.
 */
export function isOverLimits(rawHeaders: readonly string[], limits: FieldLimits): boolean {
  if (rawHeaders.length > limits.maxHeaderFields * 2) return true
  return sectionBytes(rawHeaders) > limits.maxHeadBytes
}

/** Size of a section of fields (RFC 9113 6.5.2). */
export function sectionBytes(rawHeaders: readonly string[]): number {
  let bytes = 0
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    bytes += rawHeaders[i]!.length + rawHeaders[i + 1]!.length + FIELD_OVERHEAD
  }
  return bytes
}

const MAX_LENGTH_DIGITS = 15

/** Value of a content-length: 1 to 15 digits, so that it is exact as a number; -1 otherwise. */
export function parseContentLength(text: string): number {
  if (text.length === 0 || text.length > MAX_LENGTH_DIGITS) return -1
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

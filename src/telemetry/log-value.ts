import { fromBytes } from '../base/latin1.ts'

/** Longer values are cut: one request must not fill the log. Bytes. */
export const MAX_VALUE_LENGTH = 4096

/** What needs no escape inside a JSON string or between quotes: printable ASCII but `"` and `\`. */
const NEEDS_ESCAPE = /[^ !#-[\]-~]/
/** Not escaped by JSON.stringify, yet terminals and line readers act on them. */
const LEFT_BY_JSON = /[\x7f-\x9f\u2028\u2029]/g
/** The beginning of a character whose end may have been cut off. */
const CUT_CHARACTER = /[\xc0-\xff][\x80-\xbf]{0,2}$/

/**
 * A value from outside (bytes, one latin1 character each) as text that stays within its quotes and
 * its line: cut to `maxLength` bytes, then escaped as in a JSON string, so that controls, quotes
 * and escape sequences are harmless and no escape is cut in two.
 */
export function escapeValue(bytes: string, maxLength: number = MAX_VALUE_LENGTH): string {
  const value =
    bytes.length > maxLength ? bytes.slice(0, maxLength).replace(CUT_CHARACTER, '') : bytes
  if (!NEEDS_ESCAPE.test(value)) return value
  const quoted = JSON.stringify(fromBytes(value))
  return quoted.slice(1, -1).replace(LEFT_BY_JSON, escapeCharacter)
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

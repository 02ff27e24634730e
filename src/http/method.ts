import { isToken } from './field-syntax.ts'

/** Begins the preface of HTTP/2: a backend that looks for it must not find it in a request. */
const RESERVED = 'PRI'

/** Any token (RFC 9110 9.1) but PRI, which no client ever uses (RFC 7540 11.6). */
export function isMethod(text: string): boolean {
  return text !== RESERVED && isToken(text)
}

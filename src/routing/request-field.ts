import type { Request } from '../http/request.ts'

/** Names that Request keeps outside its header list; everything else is a header. */
const HEADER = 0
const AUTHORITY = 1
const METHOD = 2
const PATH = 3
const SCHEME = 4
const UPGRADE = 5
const CONNECTION = 6
const CONTENT_LENGTH = 7
const EXPECT = 8

const SPECIAL: ReadonlyMap<string, number> = new Map([
  [':authority', AUTHORITY],
  ['host', AUTHORITY],
  [':method', METHOD],
  [':path', PATH],
  [':scheme', SCHEME],
  ['upgrade', UPGRADE],
  ['connection', CONNECTION],
  ['content-length', CONTENT_LENGTH],
  ['expect', EXPECT],
])

/**
 * Reads one field of a request by its name: a header, a pseudo-header (`:path` with its query), or a field that the wire took out of the header list.
 */
export class RequestField {
  /** Lower-case. */
  readonly name: string
  readonly #source: number

  constructor(name: string) {
    this.name = name.toLowerCase()
    this.#source = SPECIAL.get(this.name) ?? HEADER
  }

  /** Value of the field, repeated lines joined; null when the request has none. */
  read(request: Request): string | null {
    return this.#source === HEADER ? request.headers.combined(this.name) : this.#special(request)
  }

  /** Value of the field, the first of repeated lines; null when the request has none. */
  readFirst(request: Request): string | null {
    return this.#source === HEADER ? request.headers.get(this.name) : this.#special(request)
  }

  #special(request: Request): string | null {
    switch (this.#source) {
      case AUTHORITY:
        return request.authority
      case METHOD:
        return request.method
      case PATH:
        return request.query === '' ? request.path : request.path + request.query
      case SCHEME:
        return request.scheme
      case UPGRADE:
        return request.upgrade
      case CONNECTION:
        return request.upgrade === null ? null : 'Upgrade'
      case CONTENT_LENGTH:
        return request.bodyLength > 0 ? String(request.bodyLength) : null
      default:
        return request.expectsContinue ? '100-continue' : null
    }
  }
}

import type { JwtRule } from '../../src/filters/authenticator.ts'
import type { FilterExchange } from '../../src/filters/filter.ts'
import { toBytes } from '../../src/base/latin1.ts'
import { paramValues, withoutParam } from './query-param.ts'

type Request = FilterExchange['request']

/** Somewhere in a request where tokens may be. */
export interface TokenPlace {
  /** Equal for equal places. */
  readonly key: string
  /** Appends the tokens that are there. */
  find(request: Request, tokens: string[]): void
  /** Takes them out. */
  remove(request: Request): void
  /** A path with its query, without what is not to be seen. */
  conceal(path: string): string
}

/** Where a rule looks (jwtRules fromHeaders, fromParams, fromCookies; else RFC 6750 2.1 and 2.3). */
export function placesOf(rule: JwtRule): readonly TokenPlace[] {
  const { fromHeaders, fromParams, fromCookies } = rule
  if (fromHeaders.length === 0 && fromParams.length === 0 && fromCookies.length === 0) {
    return [new HeaderPlace('authorization', 'Bearer '), new ParamPlace('access_token')]
  }
  return [
    ...fromHeaders.map(({ name, prefix }) => new HeaderPlace(name, prefix)),
    ...fromParams.map((name) => new ParamPlace(name)),
    ...fromCookies.map((name) => new CookiePlace(name)),
  ]
}

class HeaderPlace implements TokenPlace {
  readonly key: string
  readonly #name: string
  readonly #prefix: string
  readonly #ignoreCase: boolean

  constructor(name: string, prefix: string) {
    this.key = `header ${name} ${prefix}`
    this.#name = name
    // Schemes are compared without regard to case (RFC 9110 11.1).
    this.#ignoreCase = prefix.toLowerCase() === 'bearer '
    this.#prefix = this.#ignoreCase ? 'bearer ' : toBytes(prefix)
  }

  find({ headers }: Request, tokens: string[]): void {
    const { fields } = headers
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] !== this.#name) continue
      const token = this.#tokenOf(fields[i + 1]!)
      if (token !== '') tokens.push(token)
    }
  }

  /** Lines that hold something else (Basic credentials) stay. */
  remove({ headers }: Request): void {
    const { fields } = headers
    for (let i = fields.length - 2; i >= 0; i -= 2) {
      if (fields[i] === this.#name && this.#tokenOf(fields[i + 1]!) !== '') fields.splice(i, 2)
    }
  }

  conceal(path: string): string {
    return path
  }

  #tokenOf(value: string): string {
    const length = this.#prefix.length
    const start = value.slice(0, length)
    if ((this.#ignoreCase ? start.toLowerCase() : start) !== this.#prefix) return ''
    return value.slice(length).trim()
  }
}

/** Stands in the log for the value of a parameter. */
const CONCEALED = '[redacted]'

class ParamPlace implements TokenPlace {
  readonly key: string
  readonly #name: string

  constructor(name: string) {
    this.key = `param ${name}`
    this.#name = toBytes(name)
  }

  find({ query }: Request, tokens: string[]): void {
    if (query === '') return
    for (const token of paramValues(query, this.#name)) if (token !== '') tokens.push(token)
  }

  remove(request: Request): void {
    if (request.query !== '') request.query = withoutParam(request.query, this.#name, null)
  }

  conceal(path: string): string {
    const start = path.indexOf('?')
    if (start < 0) return path
    return path.slice(0, start) + withoutParam(path.slice(start), this.#name, CONCEALED)
  }
}

class CookiePlace implements TokenPlace {
  readonly key: string
  readonly #name: string

  constructor(name: string) {
    this.key = `cookie ${name}`
    this.#name = toBytes(name)
  }

  find({ headers }: Request, tokens: string[]): void {
    const { fields } = headers
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] !== 'cookie') continue
      for (const pair of fields[i + 1]!.split(';')) {
        const token = this.#isOurs(pair) ? pair.slice(pair.indexOf('=') + 1).trim() : ''
        if (token !== '') tokens.push(token)
      }
    }
  }

  remove({ headers }: Request): void {
    const { fields } = headers
    for (let i = fields.length - 2; i >= 0; i -= 2) {
      if (fields[i] !== 'cookie') continue
      const pairs = fields[i + 1]!.split(';')
      const kept = pairs.filter((pair) => !this.#isOurs(pair))
      if (kept.length === pairs.length) continue
      if (kept.length === 0) fields.splice(i, 2)
      else fields[i + 1] = kept.join(';').trim()
    }
  }

  conceal(path: string): string {
    return path
  }

  #isOurs(pair: string): boolean {
    const equals = pair.indexOf('=')
    return equals > 0 && pair.slice(0, equals).trim() === this.#name
  }
}

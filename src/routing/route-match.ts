import type { Request } from '../http/request.ts'
import { CLAIM_PREFIX, ClaimCondition, claimPathOf } from './claim-condition.ts'
import { type FieldCondition, fieldCondition } from './field-condition.ts'
import { QueryCondition } from './query-condition.ts'
import { compileStringMatch, type StringMatcher, type StringMatchSpec } from './string-match.ts'
import { toBytes } from '../base/latin1.ts'

/** The part of Istio's HTTPMatchRequest that a request decides. */
export interface RouteMatchSpec {
  readonly uri?: StringMatchSpec
  readonly ignoreUriCase?: boolean
  readonly scheme?: StringMatchSpec
  readonly method?: StringMatchSpec
  readonly authority?: StringMatchSpec
  readonly headers?: Readonly<Record<string, StringMatchSpec>>
  readonly withoutHeaders?: Readonly<Record<string, StringMatchSpec>>
  readonly queryParams?: Readonly<Record<string, StringMatchSpec>>
}

export interface RouteMatchInit {
  readonly uri: StringMatcher | null
  readonly scheme: StringMatcher | null
  readonly method: StringMatcher | null
  readonly authority: StringMatcher | null
  /** Headers and withoutHeaders, claims among them. */
  readonly fields: readonly FieldCondition[]
  readonly queryParams: readonly QueryCondition[]
}

/**
 * All conditions of one match entry, ANDed. Port, gateways and source labels are decided when
 * configuration is compiled. Conditions read the request as it came in: path without query after
 * normalisation, authority as received with its port.
 */
export class RouteMatch {
  /** How the path is matched; `none` when the entry says nothing about it. */
  readonly kind: 'none' | 'exact' | 'prefix' | 'regex'
  /** Length of the path part that a prefix rewrite replaces; 1 (`/`) when no prefix is named. */
  readonly prefixLength: number
  readonly uri: StringMatcher | null
  readonly scheme: StringMatcher | null
  readonly method: StringMatcher | null
  readonly authority: StringMatcher | null
  readonly fields: readonly FieldCondition[]
  readonly queryParams: readonly QueryCondition[]

  constructor(init: RouteMatchInit) {
    const uri = init.uri
    this.kind = uri === null || uri.kind === 'present' ? 'none' : uri.kind
    this.prefixLength = uri !== null && uri.kind === 'prefix' ? toBytes(uri.text).length : 1
    this.uri = uri
    this.scheme = init.scheme
    this.method = init.method
    this.authority = init.authority
    this.fields = init.fields
    this.queryParams = init.queryParams
  }

  /** Every path, and nothing else asked: such routes stand last when VirtualServices are merged. */
  get isCatchAll(): boolean {
    const everyPath =
      this.kind === 'none' ||
      (this.kind === 'prefix' && this.uri!.text === '/') ||
      (this.kind === 'regex' && this.uri!.text === '.*')
    return (
      everyPath &&
      this.scheme === null &&
      this.method === null &&
      this.authority === null &&
      this.fields.length === 0 &&
      this.queryParams.length === 0
    )
  }

  matches(request: Request): boolean {
    if (this.uri !== null && !this.uri.matches(request.path)) return false
    if (this.method !== null && !this.method.matches(request.method)) return false
    if (this.authority !== null && !this.authority.matches(request.authority)) return false
    if (this.scheme !== null && !this.scheme.matches(request.scheme)) return false
    const fields = this.fields
    for (let i = 0; i < fields.length; i++) if (!fields[i]!.holds(request)) return false
    const queryParams = this.queryParams
    for (let i = 0; i < queryParams.length; i++) {
      if (!queryParams[i]!.holds(request.query)) return false
    }
    return true
  }
}

const CASE_SENSITIVE = { ignoreCase: false } as const

/**
 * Compiles a match entry. `errors` names each condition that cannot be compiled (then `match` is
 * null); without errors `match` is null when the entry matches every request.
 */
export function compileRouteMatch(spec: RouteMatchSpec): {
  match: RouteMatch | null
  errors: readonly string[]
} {
  const errors: string[] = []
  const compile = (
    what: string,
    text: StringMatchSpec | undefined,
    options: { ignoreCase: boolean } = CASE_SENSITIVE,
  ): StringMatcher | null => {
    if (text === undefined) return null
    const matcher = compileStringMatch(text, options)
    if (typeof matcher !== 'string') return matcher
    errors.push(`${what}: ${matcher}`)
    return null
  }
  const fields: FieldCondition[] = []
  const addFields = (what: string, map: RouteMatchSpec['headers'], inverted: boolean): void => {
    for (const [name, text] of Object.entries(map ?? {})) {
      const matcher = compile(`${what}["${name}"]`, text)
      if (matcher === null) continue
      if (!name.startsWith(CLAIM_PREFIX)) fields.push(fieldCondition(name, matcher, inverted))
      else {
        const path = claimPathOf(name)
        if (path === null) errors.push(`${what}["${name}"] names no claim`)
        else fields.push(new ClaimCondition(name, path, matcher, inverted))
      }
    }
  }
  addFields('headers', spec.headers, false)
  addFields('withoutHeaders', spec.withoutHeaders, true)
  const queryParams: QueryCondition[] = []
  for (const [name, text] of Object.entries(spec.queryParams ?? {})) {
    const matcher = compile(`queryParams["${name}"]`, text)
    if (matcher !== null) queryParams.push(new QueryCondition(name, matcher))
  }
  const match = new RouteMatch({
    uri: compile('uri', spec.uri, { ignoreCase: spec.ignoreUriCase === true }),
    scheme: compile('scheme', spec.scheme),
    method: compile('method', spec.method),
    authority: compile('authority', spec.authority),
    fields,
    queryParams,
  })
  const unconditional = match.kind === 'none' && match.isCatchAll
  return { match: errors.length > 0 || unconditional ? null : match, errors }
}

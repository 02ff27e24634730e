import { isIP } from 'node:net'
import { Cidr } from '../../src/base/cidr.ts'
import { fromBytes } from '../../src/base/latin1.ts'
import type {
  FilterCompileContext,
  FilterExchange,
  ValueMatcher,
} from '../../src/filters/filter.ts'
import { ClaimCondition } from './claim-condition.ts'
import { literal } from './literal.ts'
import type { MatchSpec, SourceSpec, ValueSpec } from './policy-settings.ts'
import { combinedHeader, queryValue } from './request-values.ts'

/** One condition of a rule. */
export interface PolicyCondition {
  /** For people: `header x-plan exact free`. */
  readonly text: string
  /** What tells its counters apart (`source`, `headers.x-user`); null: it has no distinct values. */
  readonly distinctName: string | null
  /** False: the rule does not apply. A distinct value is appended to `values`. */
  append(exchange: FilterExchange, values: string[]): boolean
  /** The distinct value that requests with this one have, or null when none can. */
  distinctValue(text: string): string | null
}

type Part = 'header' | 'query' | 'method' | 'path'

const FIELDS = { header: 'headers', query: 'queryParams' } as const

class ValueCondition implements PolicyCondition {
  readonly text: string
  readonly distinctName: string | null
  readonly #part: Part
  readonly #name: string
  /** null: being there is all that counts. */
  readonly #matcher: ValueMatcher | null
  readonly #invert: boolean
  readonly #distinct: boolean

  constructor(part: Part, name: string, spec: ValueSpec, matcher: ValueMatcher | null) {
    this.#part = part
    this.#name = name
    this.#matcher = matcher
    this.#invert = spec.invert === true
    this.#distinct = spec.distinct === true
    const place =
      part === 'header' || part === 'query' ? `${FIELDS[part]}.${fromBytes(name)}` : part
    this.text = `${place} ${conditionText(spec)}`
    this.distinctName = this.#distinct ? place : null
  }

  distinctValue(text: string): string {
    return literal(text)
  }

  append(exchange: FilterExchange, values: string[]): boolean {
    const value = this.#valueOf(exchange.request)
    const matches = value !== null && (this.#matcher === null || this.#matcher.matches(value))
    if (matches === this.#invert) return false
    if (this.#distinct && value !== null) values.push(value)
    return true
  }

  #valueOf(request: FilterExchange['request']): string | null {
    switch (this.#part) {
      case 'header':
        return combinedHeader(request, this.#name)
      case 'query':
        return queryValue(request.query, this.#name)
      case 'method':
        return request.method
      case 'path':
        return request.path
    }
  }
}

/** One address is one client. */
const IPV4_PREFIX = 32
/** A household has 2^64 addresses of IPv6: they count as one client. */
const IPV6_PREFIX = 64

class SourceCondition implements PolicyCondition {
  readonly text: string
  readonly distinctName: string | null
  readonly #blocks: readonly Cidr[]
  readonly #invert: boolean
  readonly #distinct: boolean
  readonly #ipv4Suffix: string
  readonly #ipv6Suffix: string

  constructor(spec: SourceSpec) {
    this.#blocks = (spec.cidrs ?? []).map(Cidr.parse).filter((block) => block !== null)
    this.#invert = spec.invert === true
    this.#distinct = spec.distinct === true
    this.#ipv4Suffix = `/${spec.ipv4PrefixLength ?? IPV4_PREFIX}`
    this.#ipv6Suffix = `/${spec.ipv6PrefixLength ?? IPV6_PREFIX}`
    const where = spec.invert === true ? 'source not in' : 'source in'
    this.text = this.#blocks.length === 0 ? 'source' : `${where} ${(spec.cidrs ?? []).join(', ')}`
    this.distinctName = this.#distinct ? 'source' : null
  }

  /** An address, or a block as answers name it. */
  distinctValue(text: string): string | null {
    return this.#blockOf(text.split('/', 1)[0] ?? '')
  }

  append({ clientAddress }: FilterExchange, values: string[]): boolean {
    if (this.#blocks.length > 0 && this.#isInside(clientAddress) === this.#invert) return false
    if (!this.#distinct) return true
    const block = this.#blockOf(clientAddress)
    if (block === null) return false
    values.push(block)
    return true
  }

  #blockOf(address: string): string | null {
    const family = isIP(address)
    if (family === 0) return null
    const suffix = family === 4 ? this.#ipv4Suffix : this.#ipv6Suffix
    return Cidr.parse(address + suffix)?.toString() ?? null
  }

  #isInside(address: string): boolean {
    for (const block of this.#blocks) if (block.contains(address)) return true
    return false
  }
}

/** The conditions of a rule; a string says why one cannot be compiled. */
export function compileConditions(
  match: MatchSpec,
  context: FilterCompileContext,
): readonly PolicyCondition[] | string {
  const conditions: PolicyCondition[] = []
  const wanted: (readonly [part: Part, name: string, spec: ValueSpec])[] = []
  if (match.method !== undefined) wanted.push(['method', '', match.method])
  if (match.path !== undefined) wanted.push(['path', '', match.path])
  for (const [name, spec] of Object.entries(match.headers ?? {})) {
    wanted.push(['header', name.toLowerCase(), spec])
  }
  for (const [name, spec] of Object.entries(match.queryParams ?? {})) {
    wanted.push(['query', literal(name), spec])
  }
  for (const [part, name, spec] of wanted) {
    const matcher = hasMatch(spec) ? context.stringMatcher(stringMatch(spec)) : null
    if (typeof matcher === 'string') return matcher
    conditions.push(new ValueCondition(part, name, spec, matcher))
  }
  const claims = compileClaims(match.claims ?? {}, context)
  if (typeof claims === 'string') return claims
  conditions.push(...claims)
  if (match.source !== undefined) conditions.push(new SourceCondition(match.source))
  return conditions
}

function compileClaims(
  claims: NonNullable<MatchSpec['claims']>,
  context: FilterCompileContext,
): readonly PolicyCondition[] | string {
  const conditions: PolicyCondition[] = []
  for (const [name, spec] of Object.entries(claims)) {
    const matcher = hasMatch(spec) ? context.stringMatcher(stringMatch(spec)) : null
    if (typeof matcher === 'string') return matcher
    conditions.push(new ClaimCondition(name, spec, conditionText(spec), matcher))
  }
  return conditions
}

function conditionText(spec: ValueSpec): string {
  const wanted = Object.entries(stringMatch(spec)).map(([kind, value]) => `${kind} ${value}`)
  return `${spec.invert === true ? 'not ' : ''}${wanted[0] ?? 'present'}`
}

function hasMatch({ exact, prefix, regex }: ValueSpec): boolean {
  return exact !== undefined || prefix !== undefined || regex !== undefined
}

function stringMatch({ exact, prefix, regex }: ValueSpec): ValueSpec {
  if (exact !== undefined) return { exact }
  if (prefix !== undefined) return { prefix }
  return regex === undefined ? {} : { regex }
}

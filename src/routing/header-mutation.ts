import { CONNECTION_HEADERS } from '../base/connection-headers.ts'
import type { Headers } from '../http/headers.ts'
import { compileSubstitution, type SubstitutionContext, type ValuePart } from './substitution.ts'

/** Istio Headers.HeaderOperations */
export interface HeaderOperations {
  readonly set?: Readonly<Record<string, string>>
  readonly add?: Readonly<Record<string, string>>
  readonly remove?: readonly string[]
}

export type HeaderDirection = 'request' | 'response'

/** One set or add: the value in pieces. */
export interface HeaderWrite {
  /** Lower-case. */
  readonly name: string
  readonly parts: readonly ValuePart[]
}

/**
 * Compiled header operations: all removes, then all sets (which overwrite), then all adds (which
 * append a field line). A value that comes out empty does nothing.
 */
export class HeaderMutation {
  readonly removes: readonly string[]
  readonly sets: readonly HeaderWrite[]
  readonly adds: readonly HeaderWrite[]

  constructor(
    removes: readonly string[],
    sets: readonly HeaderWrite[],
    adds: readonly HeaderWrite[],
  ) {
    this.removes = removes
    this.sets = sets
    this.adds = adds
  }

  /** Changes `headers` in place. Without `values` every command operator gives nothing. */
  apply(headers: Headers, values: SubstitutionContext | null): void {
    const { removes, sets, adds } = this
    for (let i = 0; i < removes.length; i++) headers.remove(removes[i]!)
    for (let i = 0; i < sets.length; i++) {
      const value = render(sets[i]!.parts, values)
      if (value !== '') headers.set(sets[i]!.name, value)
    }
    for (let i = 0; i < adds.length; i++) {
      const value = render(adds[i]!.parts, values)
      if (value !== '') headers.add(adds[i]!.name, value)
    }
  }
}

function render(parts: readonly ValuePart[], values: SubstitutionContext | null): string {
  let text = ''
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!
    if (typeof part === 'string') text += part
    else if (values !== null) text += part(values)
  }
  return text
}

export interface CompiledHeaders {
  /** null: nothing to do. */
  readonly mutation: HeaderMutation | null
  /** What `host` or `:authority` is set to (requests only), or null: not a header operation. */
  readonly authority: string | null
  /** What could not be compiled; those operations are left out. */
  readonly errors: readonly string[]
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const AUTHORITY = /^[\w.\-:[\]~%!$&'()*+,;=]+$/
/** Controls but the tab end or split a field line. */
const FORBIDDEN_IN_VALUE = /[^\t -~\x80-\uffff]/

/**
 * Compiles operations of one or more levels into one mutation: all removes of all levels first,
 * then the sets level by level (names sorted within each), then the adds. The authority is the
 * first level's that asks for one; there, set beats add.
 */
export function compileHeaders(
  levels: readonly (HeaderOperations | undefined)[],
  direction: HeaderDirection,
): CompiledHeaders {
  const errors: string[] = []
  const removes: string[] = []
  const sets: HeaderWrite[] = []
  const adds: HeaderWrite[] = []
  let authority: string | null = null
  for (const level of levels) {
    for (const name of level?.remove ?? []) collectRemove(name, removes, errors)
    const set = collectWrites(level?.set, direction, sets, errors)
    const added = collectWrites(level?.add, direction, adds, errors)
    authority ??= set ?? added
  }
  const idle = removes.length === 0 && sets.length === 0 && adds.length === 0
  return {
    mutation: idle ? null : new HeaderMutation(removes, sets, adds),
    authority,
    errors,
  }
}

export interface RouteHeaders {
  readonly route: HeaderMutation | null
  /** One for each destination; applied before the route's. */
  readonly destinations: readonly (HeaderMutation | null)[]
  /** Set by the route's operations, or null. */
  readonly authority: string | null
  /** Set by each destination's operations; counts only where the route says nothing. */
  readonly destinationAuthorities: readonly (string | null)[]
  readonly errors: readonly string[]
}

/**
 * Compiles the operations of a route and its destinations in Istio's order: those of a single
 * destination are concatenated behind the route's, kind by kind; those of several stay apart.
 */
export function compileRouteHeaders(
  route: HeaderOperations | undefined,
  destinations: readonly (HeaderOperations | undefined)[],
  direction: HeaderDirection,
): RouteHeaders {
  if (destinations.length === 1) {
    const both = compileHeaders([route, destinations[0]], direction)
    return {
      route: both.mutation,
      destinations: [null],
      authority: both.authority,
      destinationAuthorities: [null],
      errors: both.errors,
    }
  }
  const own = compileHeaders([route], direction)
  const each = destinations.map((operations) => compileHeaders([operations], direction))
  return {
    route: own.mutation,
    destinations: each.map(({ mutation }) => mutation),
    authority: own.authority,
    destinationAuthorities: each.map(({ authority }) => authority),
    errors: [...own.errors, ...each.flatMap(({ errors }) => errors)],
  }
}

function collectRemove(written: string, removes: string[], errors: string[]): void {
  const name = written.toLowerCase()
  if (name === 'host' || name.startsWith(':')) {
    errors.push(
      `invalid header "${written}": header cannot have ":" prefix, and host is not removable`,
    )
  } else if (!TOKEN.test(name)) errors.push(`invalid header name "${written}"`)
  else if (!CONNECTION_HEADERS.has(name)) removes.push(name)
}

/** Collects what can be written; returns the authority asked for, or null. */
function collectWrites(
  operations: Readonly<Record<string, string>> | undefined,
  direction: HeaderDirection,
  writes: HeaderWrite[],
  errors: string[],
): string | null {
  let authority: string | null = null
  for (const written of Object.keys(operations ?? {}).toSorted()) {
    const value = operations![written]!
    const name = written.toLowerCase()
    if (value === '') continue
    if (FORBIDDEN_IN_VALUE.test(value)) {
      errors.push(`invalid header "${written}": the value holds a control character`)
    } else if (name === 'host' || name === ':authority') {
      if (direction === 'request' && AUTHORITY.test(value)) authority ??= value
      else if (direction === 'request') errors.push(`invalid host "${value}" in headers`)
      else errors.push(`invalid header "${written}": a response has no host`)
    } else if (!TOKEN.test(name)) {
      const reason = name.startsWith(':') ? 'header cannot have ":" prefix' : 'it is no header name'
      errors.push(`invalid header "${written}": ${reason}`)
    } else if (CONNECTION_HEADERS.has(name)) {
      errors.push(`invalid header "${written}": it belongs to the connection, not to the message`)
    } else {
      const parts = compileSubstitution(value)
      if (typeof parts === 'string') errors.push(`invalid value of header "${written}": ${parts}`)
      else writes.push({ name, parts })
    }
  }
  return authority
}

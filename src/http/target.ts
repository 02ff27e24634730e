import { isAuthority, isAuthorityWithPort } from './authority.ts'
import { hasEscapedSlash, normalizePath, type PathRules } from './path-normalization.ts'

/** A request target taken apart and normalised (RFC 9112 3.2, RFC 9113 8.3.1). */
export class Target {
  /** Authority of absolute-form and CONNECT, as received; null for origin-form and `*`. */
  readonly authority: string | null
  /** As Request.path. */
  readonly path: string
  /** As Request.query. */
  readonly query: string
  /** As Request.redirects. */
  readonly redirects: boolean

  constructor(authority: string | null, path: string, query: string, redirects: boolean = false) {
    this.authority = authority
    this.path = path
    this.query = query
    this.redirects = redirects
  }
}

/**
 * Reads the target of an HTTP/1.1 request line. null means 400: a form that does not fit the
 * method, a fragment, a control, a space, a bad authority, a foreign scheme or a path that
 * normalisation refuses.
 */
export function parseTarget(method: string, target: string, rules: PathRules): Target | null {
  if (method === 'CONNECT') {
    return isAuthorityWithPort(target) ? new Target(target, '', '') : null
  }
  if (target.charCodeAt(0) === 0x2f /* / */) return parsePath(target, rules, null)
  if (target === '*') return method === 'OPTIONS' ? new Target(null, '*', '') : null
  return parseAbsoluteForm(method, target, rules)
}

/**
 * Splits and normalises a path with optional query (origin-form, or HTTP/2's `:path`).
 * null means 400.
 */
export function parsePath(
  target: string,
  rules: PathRules,
  authority: string | null,
): Target | null {
  const worst = worstCode(target)
  if (worst === REFUSED) return null
  const mark = target.indexOf('?')
  const raw = mark === -1 ? target : target.slice(0, mark)
  const path = normalizePath(raw, rules)
  if (path === null) return null
  const redirects = rules.escapedSlashes === 'redirect' && hasEscapedSlash(raw)
  // As a Location `//host` would lead to another host.
  if (redirects && leavesHost(path)) return null
  if (mark === -1) return new Target(authority, path, '', redirects)
  const query = target.slice(mark)
  return new Target(authority, path, worst === HIGH ? escapeHighBytes(query) : query, redirects)
}

function leavesHost(path: string): boolean {
  const second = path.charCodeAt(1)
  return second === 0x2f /* / */ || second === 0x5c /* \ */
}

function parseAbsoluteForm(method: string, target: string, rules: PathRules): Target | null {
  const start = schemeEnd(target)
  if (start === -1) return null
  let end = start
  while (end < target.length && !endsAuthority(target.charCodeAt(end))) end++
  const authority = target.slice(start, end)
  if (!isAuthority(authority)) return null
  if (end === target.length) {
    // RFC 9112 3.2.4: OPTIONS without a path is about the server as a whole.
    return new Target(authority, method === 'OPTIONS' ? '*' : '/', '')
  }
  const rest = target.slice(end)
  return parsePath(rest.charCodeAt(0) === 0x3f ? `/${rest}` : rest, rules, authority)
}

/** Index behind `http://` or `https://` in any case, or -1. */
function schemeEnd(target: string): number {
  const colon = target.indexOf('://')
  if (colon !== 4 && colon !== 5) return -1
  const scheme = target.slice(0, colon).toLowerCase()
  return scheme === 'http' || scheme === 'https' ? colon + 3 : -1
}

function endsAuthority(code: number): boolean {
  return code === 0x2f || code === 0x3f || code === 0x23 || code === 0x5c
}

const CLEAN = 0
const HIGH = 1
const REFUSED = 2

function worstCode(target: string): number {
  let worst = CLEAN
  for (let i = 0; i < target.length; i++) {
    const code = target.charCodeAt(i)
    if (code <= 0x20 || code === 0x7f || code === 0x23 || code > 0xff) return REFUSED
    if (code > 0x7f) worst = HIGH
  }
  return worst
}

/** Bytes above 0x7f, one latin1 character each, as percent-triplets. */
function escapeHighBytes(text: string): string {
  let out = ''
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    out += code > 0x7f ? `%${code.toString(16).toUpperCase()}` : text[i]!
  }
  return out
}

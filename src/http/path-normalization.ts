/** What a path goes through: MeshConfig.pathNormalization, refined by connectionSettings. */
export interface PathRules {
  /** RFC 3986 6.2.2, and `\` turned into `/`. */
  readonly normalize: boolean
  readonly mergeSlashes: boolean
  /** `%2F` and `%5C`: left alone, refused, decoded for a redirect, or decoded and forwarded. */
  readonly escapedSlashes: 'keep' | 'reject' | 'redirect' | 'forward'
}

/** MeshConfig.pathNormalization BASE. */
export const BASE_PATH_RULES: PathRules = {
  normalize: true,
  mergeSlashes: false,
  escapedSlashes: 'keep',
}

const PLAIN = 0
/** Needs work at BASE: `%`, `\`, or a byte that RFC 3986 wants escaped in a path. */
const ODD = 1
/** `.` and `/`: harmless alone, checked in pairs. */
const DOT = 2
const SLASH = 3

const SLASH_CODE = 0x2f
const BACKSLASH_CODE = 0x5c

const CLASSES = buildClasses()

function buildClasses(): Uint8Array {
  const classes = new Uint8Array(256).fill(ODD)
  const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~!$&'()*+,;=:@[]"
  for (let i = 0; i < plain.length; i++) classes[plain.charCodeAt(i)] = PLAIN
  classes[0x2e] = DOT
  classes[0x2f] = SLASH
  return classes
}

/**
 * Normalises an absolute path (no query) and returns null when it must be refused with 400.
 * `normalize`: decode percent-triplets of unreserved characters, keep the others as they came
 * (Istio does not change the case of their digits), turn `\` into `/`, escape bytes that no URI may
 * hold, remove dot segments. A dot segment with path parameters (`..;x`) and an escaped NUL are
 * refused: backends disagree about them. Malformed escapes pass unchanged. Idempotent.
 */
export function normalizePath(path: string, rules: PathRules): string | null {
  if (path.charCodeAt(0) !== SLASH_CODE) return null
  if (isNormal(path, rules.mergeSlashes)) return path
  const { escapedSlashes } = rules
  if (escapedSlashes === 'reject' && hasEscapedSlash(path)) return null
  const decodes = escapedSlashes === 'redirect' || escapedSlashes === 'forward'
  const unescaped = decodes ? decodeSlashes(path) : path
  const resolved = rules.normalize ? resolvePath(unescaped) : unescaped
  return resolved === null || !rules.mergeSlashes ? resolved : mergeSlashes(resolved)
}

/** `%2F` or `%5C` in any case. */
export function hasEscapedSlash(path: string): boolean {
  for (let at = path.indexOf('%'); at !== -1; at = path.indexOf('%', at + 1)) {
    const value = hexPair(path, at + 1)
    if (value === SLASH_CODE || value === BACKSLASH_CODE) return true
  }
  return false
}

function resolvePath(path: string): string | null {
  const decoded = decodeUnreserved(path)
  return decoded === null ? null : removeDotSegments(decoded)
}

/** One pass over the common case: nothing to decode, no dot after a slash, no double slash. */
function isNormal(path: string, merge: boolean): boolean {
  let afterSlash = false
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i)
    if (code > 255) return false
    const kind = CLASSES[code]!
    if (kind === PLAIN) afterSlash = false
    else if (kind === ODD) return false
    else if (kind === DOT) {
      if (afterSlash) return false
    } else {
      if (merge && afterSlash) return false
      afterSlash = true
    }
  }
  return true
}

/** `%2F` and `%5C` in any case, once: `%252F` stays what it is. */
function decodeSlashes(path: string): string {
  let at = path.indexOf('%')
  if (at === -1) return path
  let out = ''
  let from = 0
  for (; at !== -1; at = path.indexOf('%', at + 1)) {
    const value = hexPair(path, at + 1)
    if (value !== SLASH_CODE && value !== BACKSLASH_CODE) continue
    out += `${path.slice(from, at)}/`
    from = at + 3
  }
  return out + path.slice(from)
}

const UPPER_HEX = '0123456789ABCDEF'

function decodeUnreserved(path: string): string | null {
  let out = ''
  // Length of `out` before the latest malformed `%`; a decoded digit must not complete that escape.
  let looseAt = -3
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i)
    if (code === 0x25 /* % */) {
      const value = hexPair(path, i + 1)
      if (value === 0) return null
      if (value === -1) {
        looseAt = out.length
        out += '%'
        continue
      }
      const adjoins = out.length - looseAt <= 2
      if (isUnreserved(value) && !(adjoins && hexDigit(value) !== -1)) {
        out += String.fromCharCode(value)
      } else out += path.slice(i, i + 3)
      i += 2
    } else if (code === 0x5c /* \ */) out += '/'
    else if (code > 255) return null
    else if (CLASSES[code] === ODD) out += escapeByte(code)
    else out += path[i]!
  }
  return out
}

function escapeByte(value: number): string {
  return `%${UPPER_HEX[value >> 4]!}${UPPER_HEX[value & 15]!}`
}

/** Value of two hex digits at `at`, or -1. */
function hexPair(text: string, at: number): number {
  const high = hexDigit(text.charCodeAt(at))
  const low = hexDigit(text.charCodeAt(at + 1))
  return high === -1 || low === -1 ? -1 : high * 16 + low
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

function isUnreserved(code: number): boolean {
  const letter = code | 0x20
  if (letter >= 0x61 && letter <= 0x7a && code < 0x80) return true
  if (code >= 0x30 && code <= 0x39) return true
  return code === 0x2d || code === 0x2e || code === 0x5f || code === 0x7e
}

/** RFC 3986 5.2.4 on an absolute path; null for a dot segment that carries path parameters. */
function removeDotSegments(path: string): string | null {
  if (path.indexOf('/.') === -1) return path
  const segments = path.split('/')
  const kept: string[] = []
  const last = segments.length - 1
  for (let i = 1; i <= last; i++) {
    const segment = segments[i]!
    if (segment === '.' || segment === '..') {
      if (segment === '..') kept.pop()
      if (i === last) kept.push('')
    } else if (segment.startsWith('.;') || segment.startsWith('..;')) return null
    else kept.push(segment)
  }
  return `/${kept.join('/')}`
}

function mergeSlashes(path: string): string {
  let at = path.indexOf('//')
  if (at === -1) return path
  let out = ''
  let from = 0
  while (at !== -1) {
    out += path.slice(from, at + 1)
    from = at + 1
    while (path.charCodeAt(from) === 0x2f) from++
    at = path.indexOf('//', from)
  }
  return out + path.slice(from)
}

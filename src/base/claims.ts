import { isAscii, toBytes } from './latin1.ts'

/** The claims set of a validated token (RFC 7519 4): JSON as its issuer wrote it. */
export type Claims = Readonly<Record<string, unknown>>

/** Nesting that a claim can be asked for at. */
const MAX_DEPTH = 16

/**
 * Where a claim stands: `sub`, `realm.roles` (dots lead into nested claims), or `[realm][roles]`,
 * the form for names that hold dots themselves. null: the text names no claim.
 */
export function parseClaimPath(text: string): readonly string[] | null {
  const names = text.startsWith('[') ? bracketed(text) : text.split('.')
  if (names === null || names.length > MAX_DEPTH) return null
  return names.some((name) => name === '') ? null : names
}

function bracketed(text: string): readonly string[] | null {
  if (!text.endsWith(']')) return null
  const names = text.slice(1, -1).split('][')
  return names.some((name) => /[[\]]/.test(name)) ? null : names
}

/** The claim at a path, or undefined. Only objects are entered, and only their own fields. */
export function claimAt(claims: Claims, path: readonly string[]): unknown {
  let value: unknown = claims
  for (let i = 0; i < path.length; i++) {
    if (!isObject(value) || !Object.hasOwn(value, path[i]!)) return undefined
    value = value[path[i]!]
  }
  return value
}

/** A single value as text, in bytes as headers are kept; null: a list, an object, null or nothing. */
export function claimText(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return isAscii(value) ? value : toBytes(value)
    case 'number':
    case 'boolean':
      return String(value)
    default:
      return null
  }
}

/** One text for equal claims of any kind, whatever the order of their fields. */
export function canonicalClaim(value: unknown): string {
  const text = claimText(value)
  if (text !== null) return text
  const json = JSON.stringify(value, (_key, part: unknown) =>
    isObject(part) ? sorted(part) : part,
  )
  return toBytes(json ?? '')
}

function sorted(object: Claims): Claims {
  const names = Object.keys(object).sort()
  return Object.fromEntries(names.map((name) => [name, object[name]]))
}

function isObject(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

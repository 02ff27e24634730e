import { isUtf8 } from 'node:buffer'
import type { Claims } from '../../src/base/claims.ts'
import {
  BAD_ALGORITHM,
  BAD_CLAIM_TYPE,
  BAD_FORMAT,
  BAD_HEADER,
  BAD_KEY_ID,
  BAD_PAYLOAD,
  CRITICAL_HEADER,
  EXPIRED,
  type JwtFailure,
  NOT_YET_VALID,
  TOO_LARGE,
} from './jwt-failure.ts'

/** Characters of a token. Longer ones are refused unread. */
export const MAX_TOKEN_CHARS = 16_384

/** How far our clock and an issuer's may be apart; Envoy's default. */
const CLOCK_SKEW_S = 60

/** Objects and lists within each other in a payload. */
const MAX_NESTING = 32

/** What may sign a token. `none` is not among them, whatever a key says. */
export const ALGORITHMS: ReadonlySet<string> = new Set([
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'HS256',
  'HS384',
  'HS512',
])

/** A token that is well-formed; nothing of it is proven yet. */
export class Token {
  readonly text: string
  readonly algorithm: string
  /** '' when it names no key. */
  readonly keyId: string
  readonly issuer: string
  readonly audiences: readonly string[]
  /** Seconds since the epoch; null: for ever. */
  readonly expiresAt: number | null
  readonly notBefore: number | null
  readonly claims: Claims
  /** As it came, base64url. */
  readonly payload: string

  constructor(text: string, payload: string, header: Claims, claims: Claims) {
    const { alg, kid = '' } = header
    const { iss = '', aud = [], exp = null, nbf = null } = claims
    this.text = text
    this.payload = payload
    this.algorithm = alg as string
    this.keyId = kid as string
    this.issuer = iss as string
    this.audiences = typeof aud === 'string' ? [aud] : (aud as readonly string[])
    this.expiresAt = exp as number | null
    this.notBefore = nbf as number | null
    this.claims = claims
  }

  /** Why it is not valid at this time (milliseconds since the epoch), or null. */
  timeFailure(nowMs: number): JwtFailure | null {
    const now = nowMs / 1000
    if (this.notBefore !== null && this.notBefore > now + CLOCK_SKEW_S) return NOT_YET_VALID
    if (this.expiresAt !== null && now > this.expiresAt + CLOCK_SKEW_S) return EXPIRED
    return null
  }
}

/** Reads a JWS in compact form (RFC 7515 7.1) that holds a claims set. */
export function parseToken(text: string): Token | JwtFailure {
  if (text.length > MAX_TOKEN_CHARS) return TOO_LARGE
  const parts = text.split('.', 4)
  if (parts.length !== 3 || !parts.every((part) => BASE64URL.test(part))) return BAD_FORMAT
  const payload = parts[1]!
  const header = decodeObject(parts[0]!)
  if (header === null) return BAD_HEADER
  const failure = headerFailure(header)
  if (failure !== null) return failure
  const claims = decodeObject(payload)
  if (claims === null || nesting(claims, 0) > MAX_NESTING) return BAD_PAYLOAD
  return hasClaimTypes(claims) ? new Token(text, payload, header, claims) : BAD_CLAIM_TYPE
}

const BASE64URL = /^[A-Za-z0-9_-]+$/

function decodeObject(part: string): Claims | null {
  const bytes = Buffer.from(part, 'base64url')
  if (!isUtf8(bytes)) return null
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
    return value as Claims
  } catch {
    return null
  }
}

/** Extensions that must be understood (RFC 7515 4.1.11) are not: there are none. */
function headerFailure({ alg, kid, crit }: Claims): JwtFailure | null {
  if (typeof alg !== 'string' || !ALGORITHMS.has(alg)) return BAD_ALGORITHM
  if (kid !== undefined && typeof kid !== 'string') return BAD_KEY_ID
  return crit === undefined ? null : CRITICAL_HEADER
}

/** Registered claims (RFC 7519 4.1) that decide something here. */
function hasClaimTypes({ iss, aud, exp, nbf }: Claims): boolean {
  if (iss !== undefined && typeof iss !== 'string') return false
  if (!isTime(exp) || !isTime(nbf)) return false
  if (aud === undefined || typeof aud === 'string') return true
  return Array.isArray(aud) && aud.every((one) => typeof one === 'string')
}

function isTime(value: unknown): boolean {
  if (value === undefined) return true
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

/** Counts on until the limit is passed. */
function nesting(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null || depth > MAX_NESTING) return depth
  let deepest = depth
  for (const part of Object.values(value)) {
    deepest = Math.max(deepest, nesting(part, depth + 1))
  }
  return deepest
}

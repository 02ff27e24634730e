import type * as Jose from 'jose'
import type { CryptoKey, JWK } from 'jose'
import { canonicalDigest } from '../../src/base/digest.ts'
import { BAD_SIGNATURE, type JwtFailure, NO_MATCHING_KEY } from './jwt-failure.ts'
import type { Token } from './token.ts'

/** Keys of one set. */
const MAX_KEYS = 64
/** Keys that one token is tried with, when it does not say which one signed it. */
const MAX_TRIES = 8

const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
/** RFC 9864 calls EdDSA over this curve by the curve's name. */
const ED25519 = ['EdDSA', 'Ed25519']
const HMAC = ['HS256', 'HS384', 'HS512']
const CURVES: Readonly<Record<string, string>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
}

/** Loaded when the first token is verified: most gateways never see one. */
function loadJose(): Promise<typeof Jose> {
  return import('jose')
}

/** One key with what it may verify: its kind decides, never the token. */
class VerificationKey {
  /** '' when it has none. */
  readonly id: string
  readonly #jwk: JWK
  readonly #algorithms: readonly string[]
  readonly #imported = new Map<string, Promise<CryptoKey | Uint8Array>>()

  constructor(id: string, jwk: JWK, algorithms: readonly string[]) {
    this.id = id
    this.#jwk = jwk
    this.#algorithms = algorithms
  }

  fits({ keyId, algorithm }: Token): boolean {
    if (keyId !== '' && this.id !== '' && keyId !== this.id) return false
    return this.#algorithms.includes(algorithm)
  }

  async verifies({ text, algorithm }: Token): Promise<boolean> {
    const { compactVerify } = await loadJose()
    try {
      await compactVerify(text, await this.#import(algorithm), { algorithms: [algorithm] })
      return true
    } catch {
      // A bad signature, or a key that is none: too short, off its curve.
      return false
    }
  }

  #import(algorithm: string): Promise<CryptoKey | Uint8Array> {
    let imported = this.#imported.get(algorithm)
    if (imported === undefined) {
      imported = loadJose().then(({ importJWK }) => importJWK(this.#jwk, algorithm))
      this.#imported.set(algorithm, imported)
    }
    return imported
  }
}

/** The keys of one issuer at one moment. */
export class KeySet {
  readonly digest: string
  readonly #keys: readonly VerificationKey[]

  constructor(digest: string, keys: readonly VerificationKey[]) {
    this.digest = digest
    this.#keys = keys
  }

  /** null: one of the keys signed it. */
  async verify(token: Token): Promise<JwtFailure | null> {
    const fitting = this.#keys.filter((key) => key.fits(token)).slice(0, MAX_TRIES)
    for (const key of fitting) if (await key.verifies(token)) return null
    return fitting.length === 0 ? NO_MATCHING_KEY : BAD_SIGNATURE
  }
}

/**
 * Reads a JSON Web Key Set (RFC 7517 5). Keys that can verify nothing are passed over; null: no key
 * is left. `secrets`: symmetric keys count, which only configuration can hold.
 */
export function parseKeySet(text: string, secrets: boolean): KeySet | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (!isObject(value) || !Array.isArray(value['keys'])) return null
  const entries: readonly unknown[] = value['keys']
  const keys: VerificationKey[] = []
  for (const entry of entries.slice(0, MAX_KEYS)) {
    const key = isObject(entry) ? verificationKey(entry, secrets) : null
    if (key !== null) keys.push(key)
  }
  return keys.length === 0 ? null : new KeySet(canonicalDigest(value), keys)
}

type Entry = Readonly<Record<string, unknown>>

function verificationKey(entry: Entry, secrets: boolean): VerificationKey | null {
  const { use, key_ops: operations, alg, kid, kty } = entry
  if (use !== undefined && use !== 'sig') return null
  if (Array.isArray(operations) && !operations.includes('verify')) return null
  if (kty === 'oct' && !secrets) return null
  const possible = algorithmsOf(entry)
  const allowed = alg === undefined ? possible : possible.filter((one) => isNamed(one, alg))
  if (allowed.length === 0) return null
  return new VerificationKey(typeof kid === 'string' ? kid : '', publicPart(entry), allowed)
}

/** The two names of one algorithm count as one. */
function isNamed(algorithm: string, alg: unknown): boolean {
  return algorithm === alg || (ED25519.includes(algorithm) && ED25519.includes(String(alg)))
}

function algorithmsOf({ kty, crv }: Entry): readonly string[] {
  switch (kty) {
    case 'RSA':
      return RSA
    case 'EC': {
      const algorithm = typeof crv === 'string' ? CURVES[crv] : undefined
      return algorithm === undefined ? [] : [algorithm]
    }
    case 'OKP':
      return crv === 'Ed25519' ? ED25519 : []
    case 'oct':
      return HMAC
    default:
      return []
  }
}

/** Nothing is signed here, so a private key that was written by mistake is used as its public one. */
function publicPart({ kty, crv, n, e, x, y, k }: Entry): JWK {
  const parts: Record<string, unknown> = { kty, crv, n, e, x, y, k: kty === 'oct' ? k : undefined }
  return Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined)) as JWK
}

function isObject(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

import { createHmac, createPublicKey, hash, verify, type webcrypto } from 'node:crypto'

export type JsonWebKey = webcrypto.JsonWebKey

/** A signed request (RFC 8555 6.2) whose signature was verified. */
export interface SignedRequest {
  /** Key in the request (newAccount), or null. */
  readonly jwk: JsonWebKey | null
  readonly kid: string | null
  /** null for POST-as-GET. */
  readonly payload: Record<string, unknown> | null
}

/** A refusal as RFC 8555 6.7 words it. */
export class AcmeRefusal extends Error {
  readonly type: string
  readonly status: number

  constructor(type: string, detail: string, status = 400) {
    super(detail)
    this.type = `urn:ietf:params:acme:error:${type}`
    this.status = status
  }
}

export interface JwsRules {
  /** The URL the request came to. */
  readonly url: string
  /** Takes a nonce that was given out; false: it never was, or was used. */
  useNonce(nonce: string): boolean
  /** Key of an account, or null. */
  keyOf(kid: string): JsonWebKey | null
}

/** Verifies a flattened JWS as RFC 8555 6.2 to 6.5 ask; throws AcmeRefusal. */
export function verifyJws(text: string, rules: JwsRules): SignedRequest {
  const jws = object(parse(text))
  const header = object(parse(decoded(jws['protected'])))
  const { alg, nonce, url, kid } = header
  if (alg !== 'ES256') throw new AcmeRefusal('badSignatureAlgorithm', `alg ${String(alg)}`)
  if (url !== rules.url) {
    throw new AcmeRefusal('unauthorized', `signed for ${String(url)}, sent to ${rules.url}`, 401)
  }
  if (typeof nonce !== 'string' || !rules.useNonce(nonce)) {
    throw new AcmeRefusal('badNonce', 'the nonce was not given out, or was used')
  }
  const jwk = header['jwk'] === undefined ? null : (object(header['jwk']) as JsonWebKey)
  if ((jwk === null) === (kid === undefined)) {
    throw new AcmeRefusal('malformed', 'either jwk or kid, not both')
  }
  const key = jwk ?? (typeof kid === 'string' ? rules.keyOf(kid) : null)
  if (key === null) throw new AcmeRefusal('accountDoesNotExist', 'no such account')
  const signed = Buffer.from(`${String(jws['protected'])}.${String(jws['payload'])}`)
  const signature = Buffer.from(String(jws['signature']), 'base64url')
  const publicKey = {
    key: createPublicKey({ key, format: 'jwk' }),
    dsaEncoding: 'ieee-p1363',
  } as const
  if (!verify('sha256', signed, publicKey, signature)) {
    throw new AcmeRefusal('malformed', 'the signature does not verify')
  }
  const payload = decoded(jws['payload'])
  return {
    jwk,
    kid: typeof kid === 'string' ? kid : null,
    payload: payload === '' ? null : object(parse(payload)),
  }
}

/** RFC 7638, of a P-256 key. */
export function thumbprint({ crv, kty, x, y }: JsonWebKey): string {
  return hash('sha256', JSON.stringify({ crv, kty, x, y }), 'base64url')
}

/** Whether an external account binding (RFC 8555 7.3.4) was made with the HMAC key. */
export function isBound(binding: unknown, jwk: JsonWebKey, keyId: string, hmac: string): boolean {
  const jws = object(binding)
  const header = object(parse(decoded(jws['protected'])))
  const bound = object(parse(decoded(jws['payload']))) as JsonWebKey
  const input = `${String(jws['protected'])}.${String(jws['payload'])}`
  const expected = createHmac('sha256', Buffer.from(hmac, 'base64url')).update(input)
  return (
    header['kid'] === keyId &&
    header['alg'] === 'HS256' &&
    thumbprint(bound) === thumbprint(jwk) &&
    jws['signature'] === expected.digest('base64url')
  )
}

function decoded(value: unknown): string {
  if (typeof value !== 'string') throw new AcmeRefusal('malformed', 'a part of the JWS is missing')
  return Buffer.from(value, 'base64url').toString('utf8')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new AcmeRefusal('malformed', 'no JSON')
  }
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  throw new AcmeRefusal('malformed', 'no object')
}

import { isMapping } from '../mapping.ts'
import type { Place } from './place.ts'

/** Keys of one set; as many as the data path tries. */
const MAX_KEYS = 64

const KEY_TYPES: ReadonlySet<string> = new Set(['RSA', 'EC', 'OKP', 'oct'])

/** A JSON Web Key Set written out (RFC 7517 5). Keys themselves are never shown. */
export function checkJwks(text: string, place: Place): void {
  const keys = keysOf(text)
  if (typeof keys === 'string') {
    place.error('invalid-jwks', `failed to parse jwks: ${keys}`, '{"keys": [{"kty": "RSA", ...}]}')
    return
  }
  if (keys.length > MAX_KEYS) {
    place.error('invalid-jwks', `a key set holds at most ${MAX_KEYS} keys, found ${keys.length}`)
  }
  for (const [index, key] of keys.entries()) {
    const type = isMapping(key) ? key['kty'] : undefined
    if (typeof type === 'string' && KEY_TYPES.has(type)) continue
    place.error(
      'invalid-jwks',
      `key ${index} of jwks has no key type this gateway knows`,
      'kty is RSA, EC, OKP or oct',
    )
  }
}

function keysOf(text: string): readonly unknown[] | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's message quotes the text, which may hold a secret key.
    return 'it is not JSON'
  }
  if (!isMapping(value) || !Array.isArray(value['keys'])) return 'it has no list "keys"'
  const keys: readonly unknown[] = value['keys']
  return keys.length === 0 ? 'its list "keys" is empty' : keys
}

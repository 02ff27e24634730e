import { Hash64 } from '../../base/hash64.ts'
import type { Random } from '../../base/random.ts'
import { xxh64 } from '../../base/xxh64.ts'
import type { PickContext } from '../pick.ts'
import type { HashKeyPlan } from '../plan.ts'

const UINT32 = 2 ** 32

/** The hash of one key while those of several are combined. */
const ONE = new Hash64()

/**
 * The hash of what the policies look at (DestinationRule consistentHash), into `hash`. Every key
 * that the request has counts, in order. A request without any gets a random hash; a cookie with a
 * ttl is generated for the next time.
 */
export function requestHash(
  keys: readonly HashKeyPlan[],
  context: PickContext,
  random: Random,
  hash: Hash64,
): void {
  let found = false
  for (let i = 0; i < keys.length; i++) {
    const text = hashKeyText(keys[i]!, context, random)
    if (text === null) continue
    xxh64(text, ONE)
    if (found) {
      // Turned, since two keys of one value would cancel each other out.
      hash.rotate(1)
      hash.xor(ONE)
    } else hash.set(ONE.high, ONE.low)
    found = true
  }
  if (!found) hash.set(random() * UINT32, random() * UINT32)
}

/** What the policy looks at, or null; a cookie that has to be generated is given to `context`. */
export function hashKeyText(key: HashKeyPlan, context: PickContext, random: Random): string | null {
  switch (key.from) {
    case 'source-ip':
      return context.clientAddress
    case 'header':
      return inOrder(context.hashHeader(key.name))
    case 'query':
      return context.hashQuery(key.name)
    case 'cookie': {
      const value = context.hashCookie(key.name)
      // The first attempt's cookie is already on its way to the client.
      if (value !== null || key.ttlMs === null || context.tried !== null) return value
      const generated = token(random) + token(random)
      context.setCookie(cookieText(key, key.ttlMs, generated))
      return generated
    }
  }
}

/** Values of a header that came in several lines, or in one, whatever their order. */
function inOrder(values: string | null): string | null {
  if (values === null || !values.includes(',')) return values
  return values
    .split(',')
    .map((value) => value.trim())
    .sort()
    .join(',')
}

function token(random: Random): string {
  return Math.floor(random() * UINT32)
    .toString(16)
    .padStart(8, '0')
}

function cookieText(
  key: Extract<HashKeyPlan, { from: 'cookie' }>,
  ttlMs: number,
  value: string,
): string {
  let text = `${key.name}="${value}"`
  if (ttlMs > 0) text += `; Max-Age=${Math.ceil(ttlMs / 1_000)}`
  if (key.path !== null) text += `; Path=${key.path}`
  for (const { name, value: setting } of key.attributes) {
    text += setting === '' ? `; ${name}` : `; ${name}=${setting}`
  }
  return `${text}; HttpOnly`
}

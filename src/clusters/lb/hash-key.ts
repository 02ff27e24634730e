import { xxh32 } from '../../base/hash.ts'
import type { Random } from '../../base/random.ts'
import type { PickContext } from '../pick.ts'
import type { HashKeyPlan } from '../plan.ts'

const UINT32 = 2 ** 32

/**
 * The hash of what the policy looks at (DestinationRule consistentHash), unsigned 32 bits. A request
 * without the key gets a random one; a cookie with a ttl is generated for the next time.
 */
export function requestHash(key: HashKeyPlan, context: PickContext, random: Random): number {
  const text = keyText(key, context, random)
  return text === null ? Math.floor(random() * UINT32) : xxh32(text)
}

function keyText(key: HashKeyPlan, context: PickContext, random: Random): string | null {
  switch (key.from) {
    case 'source-ip':
      return context.clientAddress
    case 'header':
      return context.hashHeader(key.name)
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

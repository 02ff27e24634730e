import { hash } from 'node:crypto'

/** 22 base64url characters: 132 bits, beyond any chance of two counters meeting. */
const KEY_LENGTH = 22

/**
 * Names the counter of a descriptor: a hash, so that no client data reaches Redis and long values
 * cost nothing. Every part goes in with its length, so `a` + `bc` differs from `ab` + `c`. The limit
 * itself stays out: an edited limit goes on counting where it was.
 */
export function counterKey(
  domain: string,
  entries: readonly string[],
  windowSeconds: number,
): string {
  let text = `${windowSeconds} ${domain.length}:${domain}`
  for (const part of entries) text += `${part.length}:${part}`
  return hash('sha256', text, 'base64url').slice(0, KEY_LENGTH)
}

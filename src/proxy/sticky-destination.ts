import { xxh32 } from '../base/hash.ts'
import { pickRendezvous } from '../base/rendezvous.ts'
import { hashKeyText } from '../clusters/lb/hash-key.ts'
import type { StickyPlan } from '../routing/sticky-plan.ts'
import type { Exchange } from './exchange.ts'

const UINT32 = 2 ** 32

/**
 * Index of the weighted destination that the request's key belongs to (`tidegate.dev/sticky-weights`).
 * Without the key a request falls on one at random, as it does on an endpoint; a cookie with a ttl is
 * generated here, so that the next request comes to the same destination.
 */
export function stickyDestination(exchange: Exchange, sticky: StickyPlan): number {
  const { random } = exchange.runtime
  const text = hashKeyText(sticky.key, exchange, random)
  const hash = text === null ? Math.floor(random() * UINT32) : xxh32(text)
  return pickRendezvous(hash, sticky.seeds, sticky.weights)
}

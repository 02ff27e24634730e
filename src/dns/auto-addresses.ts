import { xxh32 } from '../base/hash.ts'

/** Addresses that stand for a name and nothing else. */
export interface AutoAddress {
  /** In 240.240.0.0/16. */
  readonly v4: string
  /** In 2001:2::/48. */
  readonly v6: string
}

/** Last bytes 0 and 255 are left out: some stacks take them for networks and broadcasts. */
const USABLE_LAST_BYTES = 254
export const MAX_AUTO_ADDRESSES = 256 * USABLE_LAST_BYTES

/**
 * One address of each family per name, in Istio's ranges for ServiceEntries without addresses. A
 * name's slot is its hash, so a restart gives the same one; of two names with one slot the earlier
 * in the list has it, the other takes the next free one. A name keeps its slot while it is listed.
 */
export class AutoAddresses {
  #slots: ReadonlyMap<string, number>

  constructor() {
    this.#slots = new Map()
  }

  /** Names in order of their age. Those beyond MAX_AUTO_ADDRESSES get none. */
  assign(names: readonly string[]): ReadonlyMap<string, AutoAddress> {
    const slots = new Map<string, number>()
    const taken = new Set<number>()
    for (const name of names) {
      const kept = this.#slots.get(name)
      if (kept === undefined) continue
      slots.set(name, kept)
      taken.add(kept)
    }
    for (const name of names) {
      if (slots.has(name) || taken.size >= MAX_AUTO_ADDRESSES) continue
      let slot = xxh32(name) % MAX_AUTO_ADDRESSES
      while (taken.has(slot)) slot = (slot + 1) % MAX_AUTO_ADDRESSES
      slots.set(name, slot)
      taken.add(slot)
    }
    this.#slots = slots
    return new Map([...slots].map(([name, slot]) => [name, addressOf(slot)] as const))
  }
}

function addressOf(slot: number): AutoAddress {
  const high = Math.floor(slot / USABLE_LAST_BYTES)
  const low = (slot % USABLE_LAST_BYTES) + 1
  return { v4: `240.240.${high}.${low}`, v6: `2001:2::${(high * 256 + low).toString(16)}` }
}

import { Hash64 } from '../../base/hash64.ts'
import type { Random } from '../../base/random.ts'
import type { Endpoint } from '../endpoint.ts'
import type { PickContext } from '../pick.ts'
import type { HashKeyPlan } from '../plan.ts'
import type { PriorityLevel } from '../priority-levels.ts'
import { requestHash } from './hash-key.ts'
import type { HashTable } from './hash-table.ts'
import type { Picker } from './picker.ts'

/** Parts of the hash space that levels share: a hundredth of a percent each. */
const PARTS = 10_000
const PARTS_PER_PERCENT = 100

/**
 * consistentHash: the key of a request decides, first on the failover level, then within its table.
 * It sees all endpoints of a level and steps over those that are not available, so that only their
 * keys move when health changes.
 */
export class ConsistentHashPicker implements Picker {
  readonly sticky = true
  readonly spread = false
  readonly reserve: readonly Endpoint[] = []
  readonly #keys: readonly HashKeyPlan[]
  readonly #random: Random
  /** Of the pick under way. */
  readonly #hash: Hash64
  readonly #levels: readonly PriorityLevel[]
  readonly #tables: readonly HashTable[]

  constructor(
    key: HashKeyPlan,
    random: Random,
    levels: readonly PriorityLevel[],
    tableOf: (endpoints: readonly Endpoint[]) => HashTable,
  ) {
    this.#keys = [key]
    this.#hash = new Hash64()
    this.#random = random
    this.#levels = levels
    this.#tables = levels.map(({ endpoints }) => tableOf(endpoints))
  }

  pick(context: PickContext): Endpoint | null {
    if (this.#tables.length === 0) return null
    const hash = this.#hash
    const keys = context.preferences?.hashKeys ?? this.#keys
    requestHash(keys, context, this.#random, hash)
    const table = this.#tables[this.#tables.length === 1 ? 0 : this.#levelOf(hash)]!
    return table.find(hash, context.tried)
  }

  #levelOf(hash: Hash64): number {
    let left = hash.modulo(PARTS)
    const levels = this.#levels
    for (let i = 0; i < levels.length; i++) {
      left -= levels[i]!.load * PARTS_PER_PERCENT
      if (left < 0) return i
    }
    // Rounding, or nobody is healthy anywhere.
    for (let i = levels.length - 1; i > 0; i--) if (levels[i]!.load > 0) return i
    return 0
  }
}

import { isIP } from 'node:net'
import type { AutoAddresses } from './auto-addresses.ts'

/** A name that is answered here. */
export interface LocalName {
  /** Lower case without trailing dot: `web.shop.svc.cluster.local`, `*.example.com`. */
  readonly pattern: string
  /** IP addresses. */
  readonly addresses: readonly string[]
  /** The name it is a CNAME of, or null. Then there are no addresses. */
  readonly alias: string | null
  /** It has no addresses of its own: one of each family is made up. */
  readonly auto: boolean
}

/** What is known of a name; of a family without addresses there is no record. */
export class LocalAnswer {
  readonly v4: readonly string[]
  readonly v6: readonly string[]
  readonly alias: string | null

  constructor(addresses: readonly string[], alias: string | null) {
    this.v4 = addresses.filter((address) => isIP(address) === 4)
    this.v6 = addresses.filter((address) => isIP(address) === 6)
    this.alias = alias
  }
}

/** Names and wildcards of one generation. */
export class NameTable {
  readonly #exact: Map<string, LocalAnswer>
  /** `.example.com` of `*.example.com` */
  readonly #suffixes: Map<string, LocalAnswer>

  /** Of several entries for one name the first counts. */
  constructor(names: readonly LocalName[], auto: AutoAddresses) {
    this.#exact = new Map()
    this.#suffixes = new Map()
    const made = auto.assign(names.filter((one) => one.auto).map(({ pattern }) => pattern))
    for (const { pattern, addresses, alias, auto: isAuto } of names) {
      const own = isAuto ? made.get(pattern) : undefined
      const all = own === undefined ? addresses : [own.v4, own.v6]
      if (all.length === 0 && alias === null) continue
      const table = pattern.startsWith('*.') ? this.#suffixes : this.#exact
      const key = pattern.startsWith('*.') ? pattern.slice(1) : pattern
      if (!table.has(key)) table.set(key, new LocalAnswer(all, alias))
    }
  }

  get size(): number {
    return this.#exact.size + this.#suffixes.size
  }

  /** A lower-case name without trailing dot: itself, else the longest wildcard above it. */
  find(name: string): LocalAnswer | null {
    const exact = this.#exact.get(name)
    if (exact !== undefined) return exact
    if (this.#suffixes.size === 0) return null
    for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
      const found = dot === 0 ? undefined : this.#suffixes.get(name.slice(dot))
      if (found !== undefined) return found
    }
    return null
  }
}

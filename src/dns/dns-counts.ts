import type { AnswerSource } from './responder.ts'

export type DnsTransport = 'udp' | 'tcp'

const RCODE_NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'NOERROR'],
  [1, 'FORMERR'],
  [2, 'SERVFAIL'],
  [3, 'NXDOMAIN'],
  [4, 'NOTIMP'],
  [5, 'REFUSED'],
  [16, 'BADVERS'],
])

export interface DnsCount {
  readonly transport: DnsTransport
  /** Who knew: local, cache, forwarded; refused and malformed questions. */
  readonly source: AnswerSource | 'malformed' | 'stranger'
  /** `NOERROR`, `NXDOMAIN` ... */
  readonly rcode: string
  readonly count: number
}

/** Answers by transport, source and code: fixed sets, never a name. */
export class DnsCounts {
  /** Answers that UDP had no room for. */
  truncated: number
  readonly #counts: Map<string, { -readonly [K in keyof DnsCount]: DnsCount[K] }>

  constructor() {
    this.truncated = 0
    this.#counts = new Map()
  }

  count(transport: DnsTransport, source: DnsCount['source'], code: number): void {
    const rcode = RCODE_NAMES.get(code) ?? 'OTHER'
    const key = `${transport} ${source} ${rcode}`
    const known = this.#counts.get(key)
    if (known === undefined) this.#counts.set(key, { transport, source, rcode, count: 1 })
    else known.count++
  }

  get all(): readonly DnsCount[] {
    return [...this.#counts.values()]
  }
}

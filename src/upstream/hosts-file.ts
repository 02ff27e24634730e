import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { monotonicNow, type Now } from '../base/clock.ts'

/** The file is looked at again at most this often. */
const CHECK_INTERVAL_MS = 5_000
/** A larger file is not a hosts file. */
export const MAX_FILE_BYTES = 1_048_576

/** Static names of this machine (hosts(5)), followed when the file changes. */
export class HostsFile {
  readonly #path: string
  readonly #now: Now
  #entries: ReadonlyMap<string, readonly string[]>
  #signature: string
  #checkedAtMs: number

  constructor(path: string = '/etc/hosts', now: Now = monotonicNow) {
    this.#path = path
    this.#now = now
    this.#entries = new Map()
    this.#signature = ''
    this.#checkedAtMs = -Infinity
  }

  /** Addresses of a lower-case name in the order of the file, or null. */
  lookup(name: string): readonly string[] | null {
    if (this.#now() - this.#checkedAtMs >= CHECK_INTERVAL_MS) this.#check()
    return this.#entries.get(name) ?? null
  }

  #check(): void {
    this.#checkedAtMs = this.#now()
    try {
      const { mtimeMs, size, ino } = statSync(this.#path)
      const signature = `${ino}:${size}:${mtimeMs}`
      if (signature === this.#signature || size > MAX_FILE_BYTES) return
      this.#entries = parseHosts(readFileSync(this.#path, 'utf8'))
      this.#signature = signature
    } catch {
      this.#entries = new Map()
      this.#signature = ''
    }
  }
}

function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const entries = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (address === undefined || isIP(address) === 0) continue
    for (const name of names) {
      const addresses = entries.get(name.toLowerCase())
      if (addresses === undefined) entries.set(name.toLowerCase(), [address])
      else if (!addresses.includes(address)) addresses.push(address)
    }
  }
  return entries
}

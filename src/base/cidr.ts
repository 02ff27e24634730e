import { isIPv4, isIPv6 } from 'node:net'

/**
 * A block of IPv4 or IPv6 addresses. A single address is the block `/32` or `/128`; IPv4-mapped
 * IPv6 (`::ffff:10.0.0.1`) counts as IPv4 on both sides of `contains`.
 */
export class Cidr {
  /** True when the text had bits set behind the prefix: `192.0.2.1/24` means `192.0.2.0/24`. */
  readonly hadHostBits: boolean
  readonly prefix: number
  readonly #network: readonly number[]

  private constructor(network: readonly number[], prefix: number, hadHostBits: boolean) {
    this.#network = network
    this.prefix = prefix
    this.hadHostBits = hadHostBits
  }

  /** `10.0.0.0/8`, `10.0.0.1`, `2001:db8::/32`, `::1`; `null` for anything else (zones included). */
  static parse(text: string): Cidr | null {
    const slash = text.indexOf('/')
    const written = slash < 0 ? text : text.slice(0, slash)
    if (written.includes('%')) return null
    let bytes = bytesOf(written)
    if (bytes === null) return null
    let prefix = bytes.length * 8
    if (slash >= 0) {
      const digits = text.slice(slash + 1)
      if (!/^(0|[1-9]\d{0,2})$/.test(digits) || Number(digits) > prefix) return null
      prefix = Number(digits)
    }
    if (prefix >= 96 && isMapped(bytes)) {
      bytes = bytes.slice(12)
      prefix -= 96
    }
    const network = bytes.map((byte, index) => byte & maskByte(prefix, index))
    const hadHostBits = network.some((byte, index) => byte !== bytes[index])
    return new Cidr(network, prefix, hadHostBits)
  }

  get family(): 4 | 6 {
    return this.#network.length === 4 ? 4 : 6
  }

  /** False for text that is no address; a zone (`fe80::1%eth0`) is left aside. */
  contains(address: string): boolean {
    const zone = address.indexOf('%')
    const parsed = bytesOf(zone < 0 ? address : address.slice(0, zone))
    if (parsed === null) return false
    const bytes = isMapped(parsed) && this.#network.length === 4 ? parsed.slice(12) : parsed
    if (bytes.length !== this.#network.length) return false
    for (let index = 0; index * 8 < this.prefix; index++) {
      if (((bytes[index] ?? 0) & maskByte(this.prefix, index)) !== this.#network[index])
        return false
    }
    return true
  }

  /** Canonical: host bits cleared, IPv6 as RFC 5952 writes it. */
  toString(): string {
    const address = this.#network.length === 4 ? this.#network.join('.') : formatIPv6(this.#network)
    return `${address}/${this.prefix}`
  }
}

function maskByte(prefix: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefix - index * 8))
  return (0xff << (8 - bits)) & 0xff
}

function bytesOf(address: string): number[] | null {
  if (isIPv4(address)) return address.split('.').map(Number)
  if (!isIPv6(address)) return null
  const [head = '', tail] = address.split('::')
  const left = groupBytes(head)
  if (tail === undefined) return left
  const right = groupBytes(tail)
  return [...left, ...Array.from({ length: 16 - left.length - right.length }, () => 0), ...right]
}

function groupBytes(groups: string): number[] {
  if (groups === '') return []
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

/** RFC 4291 2.5.5.2: eighty zero bits, sixteen one bits, an IPv4 address. */
function isMapped(bytes: readonly number[]): boolean {
  if (bytes.length !== 16 || bytes[10] !== 0xff || bytes[11] !== 0xff) return false
  return bytes.slice(0, 10).every((byte) => byte === 0)
}

function formatIPv6(bytes: readonly number[]): string {
  const groups: number[] = []
  for (let index = 0; index < 16; index += 2)
    groups.push(((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0))
  const run = longestZeroRun(groups)
  const hex = groups.map((group) => group.toString(16))
  if (run.length < 2) return hex.join(':')
  return `${hex.slice(0, run.start).join(':')}::${hex.slice(run.start + run.length).join(':')}`
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (let index = 0; index <= groups.length; index++) {
    if (groups[index] === 0) continue
    if (index - start > best.length) best = { start, length: index - start }
    start = index + 1
  }
  return best
}

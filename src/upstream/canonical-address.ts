import { isIPv6 } from 'node:net'
import { Cidr } from '../base/cidr.ts'

const MAX_IPV4 = 2 ** 32 - 1

/**
 * The address a host stands for when it is one, in one spelling, or null when it is a name.
 *
 * Many libraries read `127.1`, `2130706433`, `0177.0.0.1` and `0x7f.0.0.1` as addresses
 * (inet_aton; WHATWG URL "IPv4 parser"), so they are addresses here too: `127.0.0.1`. IPv6 comes as
 * RFC 5952 writes it, without brackets and zone; IPv4-mapped IPv6 as IPv4.
 */
export function canonicalAddress(host: string): string | null {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  if (bare.includes(':')) return canonicalIPv6(bare)
  return canonicalIPv4(bare.endsWith('.') ? bare.slice(0, -1) : bare)
}

function canonicalIPv6(text: string): string | null {
  const zone = text.indexOf('%')
  const address = zone < 0 ? text : text.slice(0, zone)
  if (!isIPv6(address)) return null
  const block = Cidr.parse(address)?.toString()
  return block === undefined ? null : block.slice(0, block.indexOf('/'))
}

function canonicalIPv4(text: string): string | null {
  const parts = text.split('.')
  if (parts.length > 4) return null
  let value = 0
  for (const [i, part] of parts.entries()) {
    const number = ipv4Part(part)
    if (number === null) return null
    const last = i === parts.length - 1
    // The last part fills all the bytes that are left.
    if (number > (last ? 256 ** (5 - parts.length) - 1 : 255)) return null
    value += last ? number : number * 256 ** (3 - i)
  }
  if (value > MAX_IPV4) return null
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.')
}

/** Decimal, octal with a leading 0, hexadecimal with a leading 0x. */
function ipv4Part(part: string): number | null {
  if (/^0[xX][0-9a-fA-F]{0,16}$/.test(part)) return part.length === 2 ? 0 : Number(part)
  if (/^0[0-7]{1,16}$/.test(part)) return Number.parseInt(part, 8)
  return /^(?:0|[1-9]\d{0,15})$/.test(part) ? Number(part) : null
}

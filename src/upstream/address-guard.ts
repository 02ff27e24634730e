import { Cidr } from '../base/cidr.ts'
import { canonicalAddress } from './canonical-address.ts'

/**
 * Never dialled for a host that no resource names. Private ranges are not in the list: an egress
 * proxy serves internal hosts too.
 */
const REFUSED_BLOCKS = [
  '0.0.0.0/8', // this network, unspecified
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local: metadata of AWS, GCP, Azure, ECS credentials
  '100.100.100.200/32', // Alibaba Cloud metadata
  '168.63.129.16/32', // Azure WireServer
  '192.0.0.192/32', // Oracle Cloud metadata
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
  '::/96', // unspecified, loopback, IPv4-compatible (RFC 4291 2.5.5.1)
  '::ffff:0:0:0/96', // IPv4-translated (RFC 2765)
  '64:ff9b:1::/48', // local-use NAT64 (RFC 8215)
  '2001::/32', // Teredo
  'fd00:ec2::/32', // AWS instance services
  'fd20:ce::254/128', // GCP metadata
  'fe80::/10', // link-local
  'fec0::/10', // site-local
  'ff00::/8', // multicast
] as const

export interface AddressGuardOptions {
  /** CIDRs that may be dialled although they are refused by default. */
  readonly allow?: readonly string[]
  /** CIDRs that are refused whatever else says otherwise. */
  readonly deny?: readonly string[]
  /** Addresses of this host: refused unless allowed, so that nobody reaches own ports through us. */
  readonly ownAddresses?: readonly string[]
}

/**
 * Judges a resolved address right before it is dialled (SSRF, DNS rebinding). Addresses that embed
 * IPv4 (mapped, NAT64, 6to4) are judged by the IPv4 address.
 */
export class AddressGuard {
  readonly #allow: readonly Cidr[]
  readonly #deny: readonly Cidr[]
  readonly #own: ReadonlySet<string>

  /** Throws a TypeError on a malformed CIDR: a guard with a hole would be worse. */
  constructor(options: AddressGuardOptions) {
    this.#allow = (options.allow ?? []).map(parseBlock)
    this.#deny = (options.deny ?? []).map(parseBlock)
    const own = options.ownAddresses ?? []
    this.#own = new Set(own.map((address) => canonicalAddress(address) ?? address))
  }

  allows(address: string): boolean {
    const canonical = canonicalAddress(address)
    if (canonical === null) return false
    const judged = embeddedIPv4(canonical) ?? canonical
    if (contains(this.#deny, judged) || contains(this.#deny, canonical)) return false
    if (contains(this.#allow, judged)) return true
    return !this.#own.has(judged) && !contains(REFUSED, judged)
  }
}

const REFUSED: readonly Cidr[] = REFUSED_BLOCKS.map(parseBlock)
const NAT64 = parseBlock('64:ff9b::/96')
const SIX_TO_FOUR = parseBlock('2002::/16')

function parseBlock(text: string): Cidr {
  const block = Cidr.parse(text)
  if (block === null) throw new TypeError(`not a CIDR: ${text}`)
  return block
}

function contains(blocks: readonly Cidr[], address: string): boolean {
  return blocks.some((block) => block.contains(address))
}

function embeddedIPv4(address: string): string | null {
  if (!address.includes(':')) return null
  const groups = expandedGroups(address)
  if (NAT64.contains(address)) return dotted(groups[6]!, groups[7]!)
  if (SIX_TO_FOUR.contains(address)) return dotted(groups[1]!, groups[2]!)
  return null
}

/** The eight groups of a canonical IPv6 address. */
function expandedGroups(address: string): readonly number[] {
  const [head = '', tail] = address.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16))
}

function dotted(high: number, low: number): string {
  return `${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}`
}

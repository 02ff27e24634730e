import { Cidr } from '../base/cidr.ts'
import { canonicalAddress } from './canonical-address.ts'

/** Never dialled for a host that no resource names, and what each block is to people. */
const REFUSED_BLOCKS: readonly (readonly [what: string, blocks: readonly string[]])[] = [
  [
    'cloud metadata',
    [
      '169.254.169.254/32', // AWS, GCP, Azure
      '169.254.170.2/32', // ECS credentials
      '100.100.100.200/32', // Alibaba Cloud
      '168.63.129.16/32', // Azure WireServer
      '192.0.0.192/32', // Oracle Cloud
      'fd00:ec2::/32', // AWS
      'fd20:ce::254/128', // GCP
    ],
  ],
  ['unspecified', ['0.0.0.0/8', '::/128']],
  ['link-local', ['169.254.0.0/16', 'fe80::/10']],
  [
    'private',
    [
      '10.0.0.0/8', // RFC 1918
      '172.16.0.0/12',
      '192.168.0.0/16',
      '100.64.0.0/10', // shared, of carriers (RFC 6598)
      '198.18.0.0/15', // benchmarks (RFC 2544)
      'fc00::/7', // unique local (RFC 4193)
      'fec0::/10', // site-local
    ],
  ],
  ['multicast', ['224.0.0.0/4', 'ff00::/8']],
  [
    'reserved',
    [
      '240.0.0.0/4', // broadcast too
      '192.0.0.0/24', // IETF protocol assignments
      '::/96', // IPv4-compatible (RFC 4291 2.5.5.1)
      '::ffff:0:0:0/96', // IPv4-translated (RFC 2765)
      '64:ff9b:1::/48', // local-use NAT64 (RFC 8215)
      '2001::/32', // Teredo
    ],
  ],
]

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
  readonly #ownPorts = new Set<number>()

  /** Throws a TypeError on a malformed CIDR: a guard with a hole would be worse. */
  constructor(options: AddressGuardOptions) {
    this.#allow = (options.allow ?? []).map(parseBlock)
    this.#deny = (options.deny ?? []).map(parseBlock)
    const own = options.ownAddresses ?? []
    this.#own = new Set(own.map((address) => canonicalAddress(address) ?? address))
  }

  /**
   * From now on this port of this host is never dialled, `allow` or not: traffic of the egress proxy
   * would come back to itself, or reach the admin API.
   */
  protect(port: number): void {
    this.#ownPorts.add(port)
  }

  allows(address: string, port: number = 0): boolean {
    return this.refusal(address, port) === null
  }

  /** What the address is that must not be dialled (`loopback`, `cloud metadata` ...), or null. */
  refusal(address: string, port: number = 0): string | null {
    const canonical = canonicalAddress(address)
    if (canonical === null) return 'no IP address'
    const judged = embeddedIPv4(canonical) ?? canonical
    if (this.#ownPorts.has(port) && this.#isThisHost(judged)) return 'a port of this proxy'
    if (contains(this.#deny, judged) || contains(this.#deny, canonical)) return 'denied'
    if (contains(this.#allow, judged)) return null
    if (contains(LOOPBACK, judged)) return 'loopback'
    if (this.#own.has(judged)) return 'an address of this host'
    for (const { what, blocks } of REFUSED) if (contains(blocks, judged)) return what
    return null
  }

  #isThisHost(address: string): boolean {
    return this.#own.has(address) || contains(THIS_HOST, address)
  }
}

const REFUSED = REFUSED_BLOCKS.map(([what, blocks]) => ({ what, blocks: blocks.map(parseBlock) }))
const LOOPBACK = ['127.0.0.0/8', '::1/128'].map(parseBlock)
const THIS_HOST = [...LOOPBACK, ...['0.0.0.0/8', '::/128'].map(parseBlock)]
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

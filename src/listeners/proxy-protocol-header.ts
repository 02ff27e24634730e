import { isIPv4, isIPv6 } from 'node:net'
import { Cidr } from '../base/cidr.ts'
import type { PeerAddresses } from '../http/accepted-peer.ts'

/** Longest line of version 1 with its CRLF (PROXY protocol 2.1). */
const MAX_V1_BYTES = 107
/** Version 2: addresses and TLVs. The protocol allows 65,535; nobody sends more than a few hundred. */
export const MAX_V2_PAYLOAD_BYTES = 8_192

const V1_START = Buffer.from('PROXY ', 'latin1')
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V2_FIXED_BYTES = 16

export type ProxyHeader =
  | { readonly type: 'incomplete' }
  /** Neither version's beginning, or one that breaks its rules. */
  | { readonly type: 'malformed' }
  /** `peer` null: the sender speaks for itself (LOCAL, UNKNOWN, a unix socket). */
  | { readonly type: 'header'; readonly length: number; readonly peer: PeerAddresses | null }

const INCOMPLETE: ProxyHeader = { type: 'incomplete' }
const MALFORMED: ProxyHeader = { type: 'malformed' }

/** Parses the PROXY protocol header, version 1 or 2, that `bytes` begins with. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (beginsLike(bytes, V2_SIGNATURE)) {
    return bytes.length < V2_SIGNATURE.length ? INCOMPLETE : parseVersion2(bytes)
  }
  if (!beginsLike(bytes, V1_START)) return MALFORMED
  return parseVersion1(bytes)
}

/** As far as both go, they are equal. */
function beginsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length)
  return bytes.compare(start, 0, length, 0, length) === 0
}

/** `PROXY TCP4 <source> <destination> <source port> <destination port>\r\n` */
function parseVersion1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, MAX_V1_BYTES).indexOf('\r\n')
  if (end === -1) return bytes.length < MAX_V1_BYTES ? INCOMPLETE : MALFORMED
  const words = bytes.toString('latin1', V1_START.length, end).split(' ')
  const length = end + 2
  const family = words[0]
  if (family === 'UNKNOWN') return { type: 'header', length, peer: null }
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : null
  const [, source = '', destination = '', sourcePort = '', destinationPort = ''] = words
  if (isAddress === null || words.length !== 5) return MALFORMED
  const remotePort = portOf(sourcePort)
  const localPort = portOf(destinationPort)
  if (remotePort === null || localPort === null) return MALFORMED
  if (!isAddress(source) || !isAddress(destination)) return MALFORMED
  if (source.includes('%') || destination.includes('%')) return MALFORMED
  const peer = {
    remoteAddress: canonical(source),
    remotePort,
    localAddress: canonical(destination),
    localPort,
  }
  return { type: 'header', length, peer }
}

/** Decimal without leading zeros. */
function portOf(text: string): number | null {
  if (!/^(0|[1-9]\d{0,4})$/.test(text)) return null
  const port = Number(text)
  return port <= 65_535 ? port : null
}

const VERSION_2 = 2
const LOCAL = 0
const PROXY = 1
const UNSPEC = 0
const INET = 1
const INET6 = 2
const UNIX = 3
const UNIX_BYTES = 216
/** Type and length of the value (PROXY protocol 2.2). */
const TLV_FIXED_BYTES = 3

/** Signature, version and command, family and transport, payload length; addresses, then TLVs. */
function parseVersion2(bytes: Buffer): ProxyHeader {
  if (bytes.length < V2_FIXED_BYTES) return INCOMPLETE
  const command = bytes[12]! & 0x0f
  if (bytes[12]! >> 4 !== VERSION_2 || command > PROXY) return MALFORMED
  const payload = bytes.readUInt16BE(14)
  if (payload > MAX_V2_PAYLOAD_BYTES) return MALFORMED
  const length = V2_FIXED_BYTES + payload
  const family = bytes[13]! >> 4
  if (command === PROXY && payload < addressBytes(family)) return MALFORMED
  if (bytes.length < length) return INCOMPLETE
  if (command === LOCAL || family === UNSPEC) return { type: 'header', length, peer: null }
  if (!areTlvs(bytes, V2_FIXED_BYTES + addressBytes(family), length)) return MALFORMED
  switch (family) {
    case INET:
      return { type: 'header', length, peer: inetPeer(bytes, 4, formatIPv4) }
    case INET6:
      return { type: 'header', length, peer: inetPeer(bytes, 16, formatIPv6) }
    default:
      return family > UNIX ? MALFORMED : { type: 'header', length, peer: null }
  }
}

function addressBytes(family: number): number {
  if (family === INET) return 12
  if (family === INET6) return 36
  return family === UNIX ? UNIX_BYTES : 0
}

/** From `start` on there are TLVs and nothing else, and the last one ends at `end`. */
function areTlvs(bytes: Buffer, start: number, end: number): boolean {
  let at = start
  while (at + TLV_FIXED_BYTES <= end) at += TLV_FIXED_BYTES + bytes.readUInt16BE(at + 1)
  return at === end
}

function inetPeer(
  bytes: Buffer,
  size: number,
  format: (bytes: Buffer, at: number) => string,
): PeerAddresses {
  const ports = V2_FIXED_BYTES + 2 * size
  return {
    remoteAddress: format(bytes, V2_FIXED_BYTES),
    remotePort: bytes.readUInt16BE(ports),
    localAddress: format(bytes, V2_FIXED_BYTES + size),
    localPort: bytes.readUInt16BE(ports + 2),
  }
}

function formatIPv4(bytes: Buffer, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`
}

function formatIPv6(bytes: Buffer, at: number): string {
  const groups: string[] = []
  for (let i = at; i < at + 16; i += 2) groups.push(bytes.readUInt16BE(i).toString(16))
  return canonical(groups.join(':'))
}

/** As sockets report it: IPv6 as RFC 5952 writes it, IPv4-mapped IPv6 as IPv4. */
function canonical(address: string): string {
  const block = Cidr.parse(address)?.toString() ?? address
  return block.slice(0, block.indexOf('/'))
}

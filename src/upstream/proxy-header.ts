import { isIPv4, isIPv6 } from 'node:net'

/** Whose connection a PROXY header speaks of. */
export interface ProxiedClient {
  readonly remoteAddress: string
  readonly remotePort: number
  /** What the client connected to. */
  readonly localAddress: string
  readonly localPort: number
}

export type ProxyHeaderVersion = 'V1' | 'V2'

const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V2_LOCAL = 0x20
const V2_PROXY = 0x21
const TCP_OVER_IPV4 = 0x11
const TCP_OVER_IPV6 = 0x21

/**
 * The header that a connection for `client` begins with (PROXY protocol 2.1 and 2.2). null, or
 * addresses of two families: the connection is our own (LOCAL, UNKNOWN).
 */
export function proxyHeader(version: ProxyHeaderVersion, client: ProxiedClient | null): Buffer {
  return version === 'V1' ? version1(client) : version2(client)
}

function version1(client: ProxiedClient | null): Buffer {
  const family = client === null ? 0 : familyOf(client)
  if (client === null || family === 0) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1')
  const { remoteAddress, remotePort, localAddress, localPort } = client
  const addresses = `${remoteAddress} ${localAddress} ${remotePort} ${localPort}`
  return Buffer.from(`PROXY TCP${family} ${addresses}\r\n`, 'latin1')
}

function version2(client: ProxiedClient | null): Buffer {
  const family = client === null ? 0 : familyOf(client)
  if (client === null || family === 0) {
    return Buffer.concat([V2_SIGNATURE, Buffer.from([V2_LOCAL, 0, 0, 0])])
  }
  const bytesOf = family === 4 ? ipv4Bytes : ipv6Bytes
  const addresses = [...bytesOf(client.remoteAddress), ...bytesOf(client.localAddress)]
  const header = Buffer.alloc(V2_SIGNATURE.length + 4 + addresses.length + 4)
  let at = V2_SIGNATURE.copy(header)
  at = header.writeUInt8(V2_PROXY, at)
  at = header.writeUInt8(family === 4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6, at)
  at = header.writeUInt16BE(addresses.length + 4, at)
  for (const byte of addresses) at = header.writeUInt8(byte, at)
  at = header.writeUInt16BE(client.remotePort, at)
  header.writeUInt16BE(client.localPort, at)
  return header
}

/** 0: the two ends are not of one family. */
function familyOf({ remoteAddress, localAddress }: ProxiedClient): 0 | 4 | 6 {
  if (isIPv4(remoteAddress) && isIPv4(localAddress)) return 4
  return isIPv6(remoteAddress) && isIPv6(localAddress) && !remoteAddress.includes('%') ? 6 : 0
}

function ipv4Bytes(address: string): readonly number[] {
  return address.split('.').map(Number)
}

function ipv6Bytes(address: string): readonly number[] {
  const [head = '', tail] = address.split('%', 1)[0]!.split('::')
  const left = groupBytes(head)
  if (tail === undefined) return left
  const right = groupBytes(tail)
  return [...left, ...Array.from({ length: 16 - left.length - right.length }, () => 0), ...right]
}

function groupBytes(groups: string): readonly number[] {
  if (groups === '') return []
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return ipv4Bytes(group)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

import { Cidr } from '../base/cidr.ts'

const MAPPED_IPV4 = '::ffff:'

/**
 * What counts as one client: an IPv4 address (also written as mapped IPv6), or the /64 block of an
 * IPv6 address, of which one host may use every address. '' for a socket that is gone already.
 */
export function clientBlock(address: string | undefined): string {
  if (address === undefined) return ''
  if (!address.includes(':')) return address
  if (address.startsWith(MAPPED_IPV4) && address.includes('.')) {
    return address.slice(MAPPED_IPV4.length)
  }
  const zone = address.indexOf('%')
  const block = Cidr.parse(`${zone === -1 ? address : address.slice(0, zone)}/64`)
  return block === null ? address : block.toString()
}

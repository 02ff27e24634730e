const MAPPED_IPV4 = '::ffff:'
const HEXTETS_OF_BLOCK = 4

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
  return `${firstHextets(address).join(':')}::/64`
}

/** The first four hextets of an address in its canonical form. */
function firstHextets(address: string): readonly string[] {
  const gap = address.indexOf('::')
  const written = (gap === -1 ? address : address.slice(0, gap)).split(':').filter(Boolean)
  while (written.length < HEXTETS_OF_BLOCK) written.push('0')
  return written.slice(0, HEXTETS_OF_BLOCK)
}

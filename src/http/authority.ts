import { isIPv6 } from 'node:net'

/** Longest DNS name in text form (RFC 1035 2.3.4), with room for a trailing dot. */
export const MAX_HOST_LENGTH = 254
const MAX_PORT = 65_535
const MAX_PORT_DIGITS = 5

/**
 * A host with optional port as a gateway accepts it in Host, `:authority`, absolute-form and
 * CONNECT: letters, digits, `-`, `.`, `_`, `~` in non-empty labels, an IPv4 address, or an IPv6
 * address in brackets. Narrower than RFC 3986 reg-name: percent-encoding and sub-delims (`,` makes
 * a list, `;` and `&` confuse others) have no place in names that resolve. No userinfo, no empty
 * host, no empty port, no zone id.
 */
export function isAuthority(text: string): boolean {
  const end = hostEnd(text)
  if (end === -1) return false
  return end === text.length || isPort(text, end)
}

/** As isAuthority, with a port that must be there (CONNECT, RFC 9110 9.3.6). */
export function isAuthorityWithPort(text: string): boolean {
  const end = hostEnd(text)
  return end !== -1 && end < text.length && isPort(text, end)
}

/** Index behind the host part, or -1 when there is no valid host. */
function hostEnd(text: string): number {
  if (text.charCodeAt(0) === 0x5b /* [ */) {
    const close = text.indexOf(']')
    if (close === -1) return -1
    const address = text.slice(1, close)
    return address.indexOf('%') === -1 && isIPv6(address) ? close + 1 : -1
  }
  let labelLength = 0
  let i = 0
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x3a /* : */) break
    if (code === 0x2e /* . */) {
      if (labelLength === 0) return -1
      labelLength = 0
    } else if (isHostCode(code)) labelLength++
    else return -1
  }
  return i === 0 || i > MAX_HOST_LENGTH ? -1 : i
}

function isHostCode(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x41 && code <= 0x5a) ||
    code === 0x2d ||
    code === 0x5f ||
    code === 0x7e
  )
}

/** `:` and 1 to 5 digits up to the end of the text. */
function isPort(text: string, colon: number): boolean {
  const digits = text.length - colon - 1
  if (text.charCodeAt(colon) !== 0x3a || digits < 1 || digits > MAX_PORT_DIGITS) return false
  let port = 0
  for (let i = colon + 1; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return false
    port = port * 10 + digit
  }
  return port <= MAX_PORT
}

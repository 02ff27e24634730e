/** A host and the port that stood behind it. */
export interface HostPort {
  /** Lower-case, without brackets and without the one trailing dot of an absolute name. */
  readonly host: string
  /** null when the text names no port. */
  readonly port: number | null
}

/**
 * Splits `host`, `host:port`, `[v6]` or `[v6]:port`. Total: text that is none of these comes back
 * as host with port null. A bare IPv6 address without brackets is taken as a host.
 */
export function splitHostPort(authority: string): HostPort {
  if (authority.charCodeAt(0) === 0x5b /* [ */) {
    const close = authority.indexOf(']')
    if (close === -1) return { host: authority.toLowerCase(), port: null }
    const port = authority.charCodeAt(close + 1) === 0x3a ? readPort(authority, close + 2) : null
    return { host: authority.slice(1, close).toLowerCase(), port }
  }
  const colon = authority.indexOf(':')
  if (colon === -1) return { host: withoutDot(authority), port: null }
  if (authority.indexOf(':', colon + 1) !== -1) {
    return { host: authority.toLowerCase(), port: null }
  }
  return { host: withoutDot(authority.slice(0, colon)), port: readPort(authority, colon + 1) }
}

function withoutDot(host: string): string {
  const end = host.length - 1
  const name = end > 0 && host.charCodeAt(end) === 0x2e ? host.slice(0, end) : host
  return name.toLowerCase()
}

const MAX_PORT = 65_535
const MAX_PORT_DIGITS = 5

function readPort(text: string, start: number): number | null {
  const length = text.length - start
  if (length < 1 || length > MAX_PORT_DIGITS) return null
  let port = 0
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return null
    port = port * 10 + digit
  }
  return port <= MAX_PORT ? port : null
}

import { isIPv6 } from 'node:net'

/** Where a listener binds. `host` null: the wildcard address, IPv6 and IPv4. Port 0: any free one. */
export interface BindAddress {
  readonly host: string | null
  readonly port: number
}

/** `8080`, `127.0.0.1:8080`, `[::1]:8080`; null when it is none of these. */
export function parseBindAddress(text: string): BindAddress | null {
  const match = /^(?:(\[[^[\]]+\]|[\w.-]+):)?(\d{1,5})$/.exec(text)
  if (match === null) return null
  const port = Number(match[2])
  if (port > 65535) return null
  const written = match[1] ?? null
  const isBracketed = written !== null && written.startsWith('[')
  const host = isBracketed ? written.slice(1, -1) : written
  return isBracketed && !isIPv6(host ?? '') ? null : { host, port }
}

export function formatBindAddress(address: BindAddress): string {
  const host = address.host ?? '0.0.0.0'
  return isIPv6(host) ? `[${host}]:${address.port}` : `${host}:${address.port}`
}

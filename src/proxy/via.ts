import type { Headers } from '../http/headers.ts'
import type { HttpProtocol } from '../http/request.ts'

/** A request that passed more proxies than this is going round in circles. */
export const MAX_VIA_HOPS = 32

const RECEIVED: Readonly<Record<HttpProtocol, string>> = {
  'HTTP/1.0': '1.0',
  'HTTP/1.1': '1.1',
  'HTTP/2': '2',
}

/**
 * Whether a request comes back to the proxy of this pseudonym, or has passed too many others
 * (RFC 9110 7.6.3: Via is what loops are noticed by).
 */
export function wentInCircles(headers: Headers, pseudonym: string): boolean {
  const via = headers.combined('via')
  if (via === null) return false
  let hops = 1
  for (let i = 0; i < via.length; i++) if (via.charCodeAt(i) === 0x2c) hops++
  return hops > MAX_VIA_HOPS || via.includes(pseudonym)
}

/** Says that the request passed here (RFC 9110 7.6.3). */
export function addVia(headers: Headers, received: HttpProtocol, pseudonym: string): void {
  headers.add('via', `${RECEIVED[received]} ${pseudonym}`)
}

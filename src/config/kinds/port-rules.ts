import { closest } from '../../base/closest.ts'
import type { Place } from './place.ts'

const MAX_PORT = 65_535

const GATEWAY_PROTOCOLS = [
  'HTTP',
  'HTTPS',
  'GRPC',
  'GRPC-WEB',
  'HTTP2',
  'MONGO',
  'REDIS',
  'MYSQL',
  'TCP',
  'TLS',
] as const

/** What `port.protocol` may say; Istio compares without regard to case. */
export const PROTOCOLS = {
  gateway: GATEWAY_PROTOCOLS,
  serviceEntry: [...GATEWAY_PROTOCOLS, 'UDP'],
  sidecar: [...GATEWAY_PROTOCOLS, 'HTTP_PROXY'],
} as const

const HTTP_FAMILY: ReadonlySet<string> = new Set(['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB'])
const TLS_FAMILY: ReadonlySet<string> = new Set(['HTTPS', 'TLS'])

/** HTTP in clear text: routed by Host. */
export function isHttpProtocol(protocol: string | undefined): boolean {
  return HTTP_FAMILY.has((protocol ?? '').toUpperCase())
}

/** TLS, whatever is inside: told apart by SNI. */
export function isTlsProtocol(protocol: string | undefined): boolean {
  return TLS_FAMILY.has((protocol ?? '').toUpperCase())
}

/** A port number that is present must be 1..65535. */
export function checkPortNumber(place: Place, port: number | undefined): void {
  if (port === undefined || (port >= 1 && port <= MAX_PORT)) return
  place.error('invalid-port', `port number ${port} must be in the range 1..65535`)
}

/** `protocol` must be one of `known`; absent is the caller's business. */
export function checkProtocol(
  place: Place,
  protocol: string | undefined,
  known: readonly string[],
): void {
  if (protocol === undefined || known.includes(protocol.toUpperCase())) return
  const suggestion = closest(protocol.toUpperCase(), known)
  place.error(
    'invalid-protocol',
    `invalid protocol "${protocol}", supported protocols are ${known.join(', ')}`,
    suggestion === null ? null : `did you mean ${suggestion}?`,
  )
}

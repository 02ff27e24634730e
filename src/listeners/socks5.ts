import { isAuthority } from '../http/authority.ts'

export const SOCKS_VERSION = 5
const NO_AUTHENTICATION = 0
const USERNAME_PASSWORD = 2
const USERNAME_PASSWORD_VERSION = 1
const COLON = 0x3a
const CONNECT = 1
const IPV4 = 1
const DOMAIN = 3
const IPV6 = 4
const IPV4_BYTES = 4
const IPV6_BYTES = 16
/** Version, command, reserved, address type. */
const REQUEST_HEAD_BYTES = 4

/** Answers to the greeting: no authentication, a user's name, or no acceptable method (RFC 1928 3). */
export const METHOD_CHOSEN = Buffer.from([SOCKS_VERSION, NO_AUTHENTICATION])
export const USER_ASKED = Buffer.from([SOCKS_VERSION, USERNAME_PASSWORD])
export const NO_METHOD = Buffer.from([SOCKS_VERSION, 0xff])

/** Answers to a user's name and password (RFC 1929 2). */
export const USER_ACCEPTED = Buffer.from([USERNAME_PASSWORD_VERSION, 0])
export const USER_REFUSED = Buffer.from([USERNAME_PASSWORD_VERSION, 1])

/** Replies of RFC 1928 6. */
export const SOCKS_REPLY = {
  succeeded: 0,
  generalFailure: 1,
  notAllowed: 2,
  networkUnreachable: 3,
  hostUnreachable: 4,
  connectionRefused: 5,
  ttlExpired: 6,
  commandNotSupported: 7,
  addressTypeNotSupported: 8,
} as const
export type SocksReply = (typeof SOCKS_REPLY)[keyof typeof SOCKS_REPLY]

/** A reply; the bound address is of no use to anybody and left at zero. */
export function socksReply(code: SocksReply): Buffer {
  return Buffer.from([SOCKS_VERSION, code, 0, IPV4, 0, 0, 0, 0, 0, 0])
}

/** `length`: bytes of the message; what stands behind it belongs to the next. */
export type SocksGreeting =
  | { readonly type: 'incomplete' }
  | { readonly type: 'malformed' }
  | {
      readonly type: 'greeting'
      readonly length: number
      /** No authentication is offered. */
      readonly acceptable: boolean
      /** Username and password are offered. */
      readonly offersUser: boolean
    }

/** Version, number of methods, methods (RFC 1928 3): never more than 257 bytes. */
export function parseGreeting(bytes: Buffer): SocksGreeting {
  if (bytes[0] !== SOCKS_VERSION) return { type: 'malformed' }
  const count = bytes[1]
  if (count === undefined || bytes.length < 2 + count) return { type: 'incomplete' }
  if (count === 0) return { type: 'malformed' }
  const length = 2 + count
  const methods = bytes.subarray(2, length)
  return {
    type: 'greeting',
    length,
    acceptable: methods.includes(NO_AUTHENTICATION),
    offersUser: methods.includes(USERNAME_PASSWORD),
  }
}

export type SocksUser =
  | { readonly type: 'incomplete' }
  | { readonly type: 'malformed' }
  /** `credentials`: as Proxy-Authorization has them. */
  | { readonly type: 'user'; readonly length: number; readonly credentials: string }

/** Username and password (RFC 1929 2): never more than 513 bytes. */
export function parseSocksUser(bytes: Buffer): SocksUser {
  const [version, nameLength] = bytes
  if (version !== undefined && version !== USERNAME_PASSWORD_VERSION) return { type: 'malformed' }
  if (nameLength === undefined) return { type: 'incomplete' }
  const passwordAt = 2 + nameLength + 1
  const passwordLength = bytes[passwordAt - 1]
  if (passwordLength === undefined) return { type: 'incomplete' }
  const length = passwordAt + passwordLength
  if (bytes.length < length) return { type: 'incomplete' }
  const name = bytes.subarray(2, 2 + nameLength)
  // A colon ends the name in Basic (RFC 7617 2): such a name would be read as another.
  if (nameLength === 0 || name.includes(COLON)) return { type: 'malformed' }
  const pair = Buffer.concat([name, Buffer.of(COLON), bytes.subarray(passwordAt, length)])
  return { type: 'user', length, credentials: `Basic ${pair.toString('base64')}` }
}

export type SocksRequest =
  | { readonly type: 'incomplete' }
  | { readonly type: 'refused'; readonly reply: SocksReply }
  /** `authority`: `host:port`, IPv6 in brackets. */
  | { readonly type: 'connect'; readonly length: number; readonly authority: string }

/** A request (RFC 1928 4): never more than 262 bytes. Only CONNECT is served. */
export function parseSocksRequest(bytes: Buffer): SocksRequest {
  if (bytes.length < REQUEST_HEAD_BYTES + 1) return { type: 'incomplete' }
  if (bytes[0] !== SOCKS_VERSION || bytes[2] !== 0) return refused(SOCKS_REPLY.generalFailure)
  const type = bytes[3]
  const at = type === DOMAIN ? REQUEST_HEAD_BYTES + 1 : REQUEST_HEAD_BYTES
  const size = type === DOMAIN ? bytes[REQUEST_HEAD_BYTES]! : addressBytes(type)
  if (size === -1) return refused(SOCKS_REPLY.addressTypeNotSupported)
  const length = at + size + 2
  if (bytes.length < length) return { type: 'incomplete' }
  if (bytes[1] !== CONNECT) return refused(SOCKS_REPLY.commandNotSupported)
  const host = hostText(type, bytes.subarray(at, at + size))
  const port = bytes.readUInt16BE(at + size)
  if (host === null || port === 0) return refused(SOCKS_REPLY.generalFailure)
  return { type: 'connect', length, authority: `${host}:${port}` }
}

function refused(reply: SocksReply): SocksRequest {
  return { type: 'refused', reply }
}

/** -1 for a type that does not exist. */
function addressBytes(type: number | undefined): number {
  if (type === IPV4) return IPV4_BYTES
  return type === IPV6 ? IPV6_BYTES : -1
}

/** null: no host as HTTP would accept it. */
function hostText(type: number | undefined, bytes: Buffer): string | null {
  if (type === IPV4) return bytes.join('.')
  if (type === IPV6) {
    const groups: string[] = []
    for (let i = 0; i < IPV6_BYTES; i += 2) groups.push(bytes.readUInt16BE(i).toString(16))
    return `[${groups.join(':')}]`
  }
  const name = bytes.toString('latin1')
  return name.includes(':') || name.includes('[') || !isAuthority(name) ? null : name
}

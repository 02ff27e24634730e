/** A ClientHello larger than this is refused (post-quantum key shares need about 2 KiB). */
export const MAX_CLIENT_HELLO_BYTES = 16 * 1024
/** A ClientHello in more records than this is refused: tiny ones only cost time. */
export const MAX_RECORDS = 64

const RECORD_HANDSHAKE = 22
const HANDSHAKE_CLIENT_HELLO = 1
const EXTENSION_SERVER_NAME = 0
const EXTENSION_ALPN = 16
/** No more protocol names are read: clients offer two or three. */
export const MAX_ALPN_NAMES = 16
const RECORD_HEADER_BYTES = 5
/** Handshake type and length. */
const MESSAGE_HEADER_BYTES = 4

/** `incomplete`: more bytes are needed; `invalid`: this is no TLS ClientHello. */
export type ClientHello =
  | { readonly type: 'incomplete' }
  | { readonly type: 'invalid' }
  | {
      readonly type: 'hello'
      readonly serverName: string | null
      /** Application protocols the client offers (RFC 7301), in its order. */
      readonly alpn: readonly string[]
    }

const INCOMPLETE: ClientHello = { type: 'incomplete' }
const INVALID: ClientHello = { type: 'invalid' }

/**
 * Reads the server name (RFC 6066 3) and the protocols (RFC 7301) out of the first bytes of a TLS
 * connection (RFC 8446 4.1.2). The name comes back lower-case without a trailing dot; null when the
 * client sent none.
 */
export function parseClientHello(bytes: Buffer): ClientHello {
  const message = handshakeMessage(bytes)
  if (!Buffer.isBuffer(message)) return message
  return helloOf(message)
}

/** The body of the ClientHello, put together from its records. */
function handshakeMessage(bytes: Buffer): Buffer | ClientHello {
  const parts: Buffer[] = []
  let collected = 0
  let at = 0
  let wanted = -1
  for (let record = 0; record < MAX_RECORDS; record++) {
    if (at < bytes.length && bytes[at] !== RECORD_HANDSHAKE) return INVALID
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) return INVALID
    if (bytes.length < at + RECORD_HEADER_BYTES) return INCOMPLETE
    const length = bytes.readUInt16BE(at + 3)
    if (length === 0) return INVALID
    const body = bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length)
    parts.push(body)
    collected += body.length
    if (collected > 0 && parts[0]![0] !== HANDSHAKE_CLIENT_HELLO) return INVALID
    if (wanted < 0 && collected >= MESSAGE_HEADER_BYTES) {
      wanted = Buffer.concat(parts, MESSAGE_HEADER_BYTES).readUIntBE(1, 3)
      if (wanted > MAX_CLIENT_HELLO_BYTES) return INVALID
    }
    if (wanted >= 0 && collected >= MESSAGE_HEADER_BYTES + wanted) {
      const end = MESSAGE_HEADER_BYTES + wanted
      return Buffer.concat(parts, end).subarray(MESSAGE_HEADER_BYTES)
    }
    if (body.length < length) return INCOMPLETE
    at += RECORD_HEADER_BYTES + length
  }
  return INVALID
}

/** A cursor that never reads past its end: `ok` turns false instead. */
class Cursor {
  readonly bytes: Buffer
  at: number
  ok: boolean

  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.at = 0
    this.ok = true
  }

  uint(size: number): number {
    if (this.at + size > this.bytes.length) {
      this.ok = false
      return 0
    }
    const value = this.bytes.readUIntBE(this.at, size)
    this.at += size
    return value
  }

  take(size: number): Buffer {
    if (this.at + size > this.bytes.length) {
      this.ok = false
      return this.bytes.subarray(0, 0)
    }
    const part = this.bytes.subarray(this.at, this.at + size)
    this.at += size
    return part
  }
}

function helloOf(message: Buffer): ClientHello {
  const cursor = new Cursor(message)
  cursor.take(2 + 32)
  cursor.take(cursor.uint(1))
  cursor.take(cursor.uint(2))
  cursor.take(cursor.uint(1))
  const extensions = new Cursor(cursor.take(cursor.uint(2)))
  let serverName: string | null = null
  let alpn: readonly string[] = []
  let named = false
  while (cursor.ok && extensions.ok && extensions.at < extensions.bytes.length) {
    const type = extensions.uint(2)
    const body = extensions.take(extensions.uint(2))
    if (!extensions.ok) break
    if (type === EXTENSION_SERVER_NAME && !named) {
      named = true
      serverName = hostName(body)
    } else if (type === EXTENSION_ALPN) alpn = protocolNames(body)
  }
  return { type: 'hello', serverName, alpn }
}

function protocolNames(extension: Buffer): readonly string[] {
  const outer = new Cursor(extension)
  const list = new Cursor(outer.take(outer.uint(2)))
  const names: string[] = []
  while (outer.ok && list.at < list.bytes.length && names.length < MAX_ALPN_NAMES) {
    const name = list.take(list.uint(1))
    if (!list.ok || name.length === 0) break
    names.push(name.toString('latin1'))
  }
  return names
}

function hostName(extension: Buffer): string | null {
  const list = new Cursor(extension)
  list.uint(2)
  const kind = list.uint(1)
  const name = list.take(list.uint(2))
  if (!list.ok || kind !== 0 || name.length === 0) return null
  const text = name.toString('latin1').toLowerCase()
  return text.endsWith('.') ? text.slice(0, -1) : text
}

import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, TLSSocket, type SecureContext } from 'node:tls'
import { PacketReader } from './packet-reader.ts'

const PROTOCOL_3 = 196_608
const SSL_REQUEST = 80_877_103
const CANCEL_REQUEST = 80_877_102
/** AuthenticationOk and ReadyForQuery (idle). */
const LOGGED_IN = Buffer.concat([
  message('R', Buffer.alloc(4)),
  message('Z', Buffer.from('I', 'latin1')),
])

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type, 0, 'latin1')
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** What comes before the startup message has no type. */
function untyped(code: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(body.length + 8, 0)
  head.writeUInt32BE(code, 4)
  return Buffer.concat([head, body])
}

async function readUntyped(reader: PacketReader): Promise<{ code: number; body: Buffer }> {
  const head = await reader.take(8)
  return { code: head.readUInt32BE(4), body: await reader.take(head.readUInt32BE(0) - 8) }
}

async function readMessage(reader: PacketReader): Promise<{ type: string; body: Buffer }> {
  const head = await reader.take(5)
  return {
    type: head.toString('latin1', 0, 1),
    body: await reader.take(head.readUInt32BE(1) - 4),
  }
}

/**
 * A server that answers SSLRequest with S (given a `secureContext`) or N, takes any startup
 * message, and answers each query with one row: the query. A client that has ended its side gets
 * its answers all the same. Resolves when it leaves; the codes before the startup are returned.
 */
export async function servePostgres(
  socket: Duplex,
  secureContext?: SecureContext,
): Promise<readonly number[]> {
  const codes: number[] = []
  let stream = socket
  let reader = new PacketReader(stream)
  for (;;) {
    const { code } = await readUntyped(reader)
    codes.push(code)
    if (code === PROTOCOL_3) break
    if (code === CANCEL_REQUEST) {
      stream.end()
      return codes
    }
    stream.write(secureContext === undefined ? 'N' : 'S')
    if (secureContext === undefined) continue
    const secure = new TLSSocket(stream as Socket, { isServer: true, secureContext })
    secure.on('error', () => undefined)
    stream = secure
    reader = new PacketReader(stream)
  }
  stream.write(LOGGED_IN)
  for (;;) {
    const next = await readMessage(reader).catch(() => null)
    if (next === null || next.type === 'X') break
    const row = Buffer.concat([Buffer.from([0, 1]), lengthOf(next.body), next.body])
    stream.write(
      Buffer.concat([
        message('D', row),
        message('C', Buffer.from('SELECT 1\0')),
        message('Z', Buffer.from('I', 'latin1')),
      ]),
    )
  }
  stream.end()
  return codes
}

function lengthOf(value: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(value.length, 0)
  return length
}

export type SslMode =
  | { readonly mode: 'disable' }
  /** Falls back to plain bytes when the server says N. */
  | { readonly mode: 'prefer'; readonly ca: string; readonly servername: string }

/** A client of protocol 3: the one that speaks first. */
export class PostgresClient {
  readonly stream: Duplex
  readonly encrypted: boolean
  readonly #reader: PacketReader

  private constructor(stream: Duplex, reader: PacketReader, encrypted: boolean) {
    this.stream = stream
    this.encrypted = encrypted
    this.#reader = reader
  }

  static async login(socket: Duplex, ssl: SslMode): Promise<PostgresClient> {
    let stream = socket
    let reader = new PacketReader(stream)
    let encrypted = false
    if (ssl.mode === 'prefer') {
      stream.write(untyped(SSL_REQUEST))
      encrypted = (await reader.take(1)).toString('latin1') === 'S'
      if (encrypted) {
        const { ca, servername } = ssl
        stream = connectTls({ socket: stream as Socket, ca, servername })
        reader = new PacketReader(stream)
      }
    }
    stream.write(untyped(PROTOCOL_3, Buffer.from('user\0app\0database\0shop\0\0')))
    for (;;) {
      const { type } = await readMessage(reader)
      if (type === 'Z') return new PostgresClient(stream, reader, encrypted)
    }
  }

  /** Asks to cancel what another connection does: 16 bytes, and no answer but the end. */
  static async cancel(socket: Duplex): Promise<void> {
    socket.write(untyped(CANCEL_REQUEST, Buffer.alloc(8, 7)))
    await new PacketReader(socket).end()
    socket.end()
  }

  send(query: string): void {
    this.stream.write(message('Q', Buffer.from(`${query}\0`)))
  }

  /** The row that answers the oldest query. */
  async row(): Promise<string> {
    let text = ''
    for (;;) {
      const { type, body } = await readMessage(this.#reader)
      if (type === 'D') text = body.subarray(6, -1).toString()
      if (type === 'Z') return text
    }
  }

  async query(text: string): Promise<string> {
    this.send(text)
    return this.row()
  }

  /** Resolves when the server has closed its side. */
  async ended(): Promise<void> {
    await this.#reader.end()
  }

  async quit(): Promise<void> {
    this.stream.write(message('X', Buffer.alloc(0)))
    await this.ended()
    this.stream.end()
  }
}

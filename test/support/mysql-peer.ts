import { createHash, randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, TLSSocket, type SecureContext } from 'node:tls'
import { PacketReader } from './packet-reader.ts'

/** Capability flags of the MySQL client/server protocol. */
const CLIENT_PROTOCOL_41 = 0x200
const CLIENT_SSL = 0x800
const CLIENT_SECURE_CONNECTION = 0x8000
const CLIENT_PLUGIN_AUTH = 0x80000
const CAPABILITIES = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH

const PLUGIN = 'mysql_native_password'
const SALT_BYTES = 20
const UTF8MB4 = 45
const MAX_PACKET = 0xffffff
const COM_QUIT = 1
const COM_QUERY = 3
const OK_PACKET = Buffer.from([0, 0, 0, 2, 0, 0, 0])

/** The packets of one side: length, sequence number, payload. */
class MysqlWire {
  readonly stream: Duplex
  readonly reader: PacketReader
  #sequence = 0

  constructor(stream: Duplex, sequence = 0) {
    this.stream = stream
    this.reader = new PacketReader(stream)
    this.#sequence = sequence
  }

  get sequence(): number {
    return this.#sequence
  }

  /** A command begins to count anew. */
  restart(): void {
    this.#sequence = 0
  }

  async read(): Promise<Buffer> {
    const head = await this.reader.take(4)
    if (head[3] !== this.#sequence) {
      throw new Error(`packet ${head[3]} came instead of ${this.#sequence}`)
    }
    this.#sequence = (this.#sequence + 1) & 0xff
    return this.reader.take(head.readUIntLE(0, 3))
  }

  write(payload: Buffer): void {
    const head = Buffer.alloc(4)
    head.writeUIntLE(payload.length, 0, 3)
    head[3] = this.#sequence
    this.#sequence = (this.#sequence + 1) & 0xff
    this.stream.write(Buffer.concat([head, payload]))
  }
}

function scramble(password: string, salt: Buffer): Buffer {
  const sha = (...parts: Buffer[]): Buffer =>
    createHash('sha1').update(Buffer.concat(parts)).digest()
  const stage = sha(Buffer.from(password))
  const mask = sha(salt, sha(stage))
  return Buffer.from(stage.map((byte, index) => byte ^ mask[index]!))
}

function greeting(salt: Buffer, capabilities: number): Buffer {
  const fixed = Buffer.alloc(2 + 1 + 2 + 2 + 1 + 10)
  fixed.writeUInt16LE(capabilities & 0xffff, 0)
  fixed[2] = UTF8MB4
  fixed.writeUInt16LE(2, 3)
  fixed.writeUInt16LE(capabilities >>> 16, 5)
  fixed[7] = SALT_BYTES + 1
  return Buffer.concat([
    Buffer.from('\x0a8.4.0-scripted\0', 'latin1'),
    Buffer.from([7, 0, 0, 0]),
    salt.subarray(0, 8),
    Buffer.from([0]),
    fixed,
    salt.subarray(8),
    Buffer.from(`\0${PLUGIN}\0`, 'latin1'),
  ])
}

function errorPacket(code: number, message: string): Buffer {
  return Buffer.concat([
    Buffer.from([0xff, code & 0xff, code >>> 8]),
    Buffer.from(`#HY000${message}`),
  ])
}

export interface MysqlServerOptions {
  readonly password: string
  /** The server asks for TLS inside the protocol (the client's SSLRequest). */
  readonly secureContext?: SecureContext
}

/**
 * A server that greets first, checks the handshake response and answers every COM_QUERY with a
 * packet of its text (as an OK packet's info would be). Resolves when the client quits.
 */
export async function serveMysql(socket: Duplex, options: MysqlServerOptions): Promise<void> {
  const salt = Buffer.from(randomBytes(SALT_BYTES).map((byte) => (byte === 0 ? 1 : byte)))
  let wire = new MysqlWire(socket)
  const ssl = options.secureContext !== undefined
  wire.write(greeting(salt, ssl ? CAPABILITIES | CLIENT_SSL : CAPABILITIES))
  let response = await wire.read()
  if (ssl && (response.readUInt32LE(0) & CLIENT_SSL) !== 0) {
    const secure = new TLSSocket(socket as Socket, {
      isServer: true,
      secureContext: options.secureContext,
    })
    secure.on('error', () => undefined)
    wire = new MysqlWire(secure, wire.sequence)
    response = await wire.read()
  }
  const afterUser = response.indexOf(0, 32) + 1
  const proof = response.subarray(afterUser + 1, afterUser + 1 + response[afterUser]!)
  if (!proof.equals(scramble(options.password, salt))) {
    wire.write(errorPacket(1045, 'Access denied'))
    wire.stream.end()
    return
  }
  wire.write(OK_PACKET)
  for (;;) {
    wire.restart()
    const command = await wire.read()
    if (command[0] === COM_QUIT) break
    if (command[0] === COM_QUERY) wire.write(Buffer.concat([OK_PACKET, command.subarray(1)]))
    else wire.write(errorPacket(1047, 'Unknown command'))
  }
  wire.stream.end()
}

/** What a server that is full says instead of a greeting, before the client has said anything. */
export function refuseMysql(socket: Duplex): void {
  const wire = new MysqlWire(socket)
  wire.write(errorPacket(1040, 'Too many connections'))
  socket.end()
}

/** A client that waits for the greeting, then logs in. */
export class MysqlClient {
  #wire: MysqlWire
  /** Of the server, as greeted with. */
  readonly version: string

  private constructor(wire: MysqlWire, version: string) {
    this.#wire = wire
    this.version = version
  }

  /** `ca`: goes on inside TLS, as `--ssl-mode=VERIFY_IDENTITY` would. */
  static async login(
    stream: Duplex,
    password: string,
    tls?: { readonly ca: string; readonly servername: string },
  ): Promise<MysqlClient> {
    let wire = new MysqlWire(stream)
    const hello = await wire.read()
    if (hello[0] === 0xff) throw new Error(hello.subarray(9).toString())
    const versionEnd = hello.indexOf(0, 1)
    const rest = versionEnd + 1 + 4
    const salt = Buffer.concat([
      hello.subarray(rest, rest + 8),
      hello.subarray(rest + 27, rest + 27 + SALT_BYTES - 8),
    ])
    const flags = tls === undefined ? CAPABILITIES : CAPABILITIES | CLIENT_SSL
    const fixed = Buffer.alloc(32)
    fixed.writeUInt32LE(flags, 0)
    fixed.writeUInt32LE(MAX_PACKET, 4)
    fixed[8] = UTF8MB4
    if (tls !== undefined) {
      wire.write(fixed)
      const secure = connectTls({ socket: stream as Socket, ...tls })
      wire = new MysqlWire(secure, wire.sequence)
    }
    const proof = scramble(password, salt)
    wire.write(
      Buffer.concat([
        fixed,
        Buffer.from('app\0'),
        Buffer.from([proof.length]),
        proof,
        Buffer.from(`${PLUGIN}\0`),
      ]),
    )
    const verdict = await wire.read()
    if (verdict[0] !== 0) throw new Error(verdict.subarray(9).toString())
    return new MysqlClient(wire, hello.subarray(1, versionEnd).toString())
  }

  async query(text: string): Promise<string> {
    this.#wire.restart()
    this.#wire.write(Buffer.concat([Buffer.from([COM_QUERY]), Buffer.from(text)]))
    const answer = await this.#wire.read()
    return answer.subarray(OK_PACKET.length).toString()
  }

  /** Leaves as clients do; resolves when the server has closed its side. */
  async quit(): Promise<void> {
    this.#wire.restart()
    this.#wire.write(Buffer.from([COM_QUIT]))
    await this.#wire.reader.end()
    this.#wire.stream.end()
  }
}

import { connect, type Socket } from 'node:net'

export const DATA = 0
export const HEADERS = 1
export const RST_STREAM = 3
export const SETTINGS = 4
export const PING = 6
export const GOAWAY = 7
export const WINDOW_UPDATE = 8
export const CONTINUATION = 9
export const END_STREAM = 1
export const ACK = 1
export const END_HEADERS = 4

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** One HTTP/2 frame (RFC 9113 4.1). */
export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A header block of literals without indexing, the plainest HPACK there is (RFC 7541 6.2.2). */
export function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  const parts: Buffer[] = []
  for (const [name, value] of fields) {
    parts.push(Buffer.from([0]), hpackString(name), hpackString(value))
  }
  return Buffer.concat(parts)
}

/** SETTINGS_MAX_FRAME_SIZE unless somebody says otherwise. */
const MAX_FRAME_BYTES = 16_384

/** HEADERS, and as many CONTINUATION frames as the fields need. */
export function headFrames(
  stream: number,
  fields: readonly (readonly [string, string])[],
  flags: number,
): Buffer[] {
  const block = headerBlock(fields)
  const frames: Buffer[] = []
  for (let at = 0; at < block.length; at += MAX_FRAME_BYTES) {
    const last = at + MAX_FRAME_BYTES >= block.length ? END_HEADERS : 0
    const piece = block.subarray(at, at + MAX_FRAME_BYTES)
    frames.push(
      at === 0
        ? frame(HEADERS, flags | last, stream, piece)
        : frame(CONTINUATION, last, stream, piece),
    )
  }
  return frames
}

function hpackString(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([hpackInteger(bytes.length, 7), bytes])
}

function hpackInteger(value: number, prefixBits: number): Buffer {
  const max = 2 ** prefixBits - 1
  if (value < max) return Buffer.from([value])
  const bytes = [max]
  let rest = value - max
  while (rest >= 128) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return Buffer.from(bytes)
}

export const GET_FIELDS: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'shop.test'],
  [':path', '/'],
]

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export interface SeenFrame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

const UNTIL_MS = 10_000

/** Streams from 1 on that begin with a GET and are reset at once. */
export function resetStreams(count: number): Buffer {
  const block = headerBlock(GET_FIELDS)
  const frames = Array.from({ length: count }, (_, i) => [
    frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, block),
    frame(RST_STREAM, 0, 2 * i + 1, uint32(8)),
  ])
  return Buffer.concat(frames.flat())
}

/** A client that speaks HTTP/2 in raw frames, for what no library would send. */
export class FrameClient {
  readonly socket: Socket
  readonly frames: SeenFrame[] = []
  closed = false
  #buffered: Buffer = Buffer.alloc(0)
  #onChange: () => void = () => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
      this.#onChange()
    })
  }

  /** Connects and sends preface and SETTINGS (pairs of identifier and value). */
  static async open(
    port: number,
    settings: readonly (readonly [number, number])[] = [],
  ): Promise<FrameClient> {
    const socket = connect(port, '127.0.0.1')
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    const client = new FrameClient(socket)
    const payload = settings.map(([id, value]) => {
      const entry = Buffer.alloc(6)
      entry.writeUInt16BE(id, 0)
      entry.writeUInt32BE(value, 2)
      return entry
    })
    client.send(PREFACE, frame(SETTINGS, 0, 0, Buffer.concat(payload)))
    return client
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  find(type: number, stream?: number): SeenFrame | undefined {
    return this.frames.find(
      (seen) => seen.type === type && (stream === undefined || seen.stream === stream),
    )
  }

  /** Resolves as soon as frames that came, or the end of the connection, fulfil `condition`. */
  async until(what: string, condition: () => boolean): Promise<void> {
    if (condition()) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`timed out waiting for ${what}`)), UNTIL_MS)
      this.#onChange = () => {
        if (!condition()) return
        clearTimeout(timer)
        this.#onChange = () => {}
        resolve()
      }
    })
  }

  #take(chunk: Buffer): void {
    this.#buffered = Buffer.concat([this.#buffered, chunk])
    this.#buffered = readFrames(this.#buffered, this.frames)
    this.#onChange()
  }
}

/** Appends the complete frames of `bytes` to `frames`; returns what is left. */
export function readFrames(bytes: Buffer, frames: SeenFrame[]): Buffer {
  let rest = bytes
  while (rest.length >= 9) {
    const length = rest.readUIntBE(0, 3)
    if (rest.length < 9 + length) break
    frames.push({
      type: rest.readUInt8(3),
      flags: rest.readUInt8(4),
      stream: rest.readUInt32BE(5),
      payload: rest.subarray(9, 9 + length),
    })
    rest = rest.subarray(9 + length)
  }
  return rest
}

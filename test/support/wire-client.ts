import { connect, type Socket } from 'node:net'
import { connect as connectSecure } from 'node:tls'

/** What a client saw of one connection from its first byte to its end. */
export interface Replay {
  /** latin1 */
  readonly text: string
  /** The gateway's side ended without a reset. */
  readonly clean: boolean
}

export interface ReplayOptions {
  readonly port: number
  /** TLS with this authority and server name. */
  readonly tls?: { readonly ca: string; readonly serverName: string }
  /** What the client does behind its last byte. Default `half-close`: it still reads. */
  readonly ending?: 'half-close' | 'wait'
}

/** A long case byte by byte takes a second, and several where others need the processor. */
const DEADLINE_MS = 15_000

/**
 * Sends `pieces` on a connection of their own, each in a turn of the event loop of its own, then
 * half-closes, and resolves when the connection is gone. No answer can be missed or waited for in
 * vain: a gateway that has nothing more to say closes too.
 */
export async function replay(pieces: readonly string[], options: ReplayOptions): Promise<Replay> {
  const socket = open(options)
  const chunks: Buffer[] = []
  let ended = false
  let failed = false
  const closed = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy()
      const text = Buffer.concat(chunks).toString('latin1')
      reject(new Error(`the gateway left the connection open after ${JSON.stringify(text)}`))
    }, DEADLINE_MS)
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('end', () => {
      ended = true
      // Only now: what the client had still to send was sent, or the gateway wants no more.
      socket.end()
    })
    socket.on('error', () => {
      failed = true
    })
    socket.on('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
  await new Promise<void>((resolve) => {
    socket.once(options.tls === undefined ? 'connect' : 'secureConnect', resolve)
    socket.once('close', resolve)
  })
  for (const piece of pieces) {
    if (!socket.writable) break
    socket.write(piece, 'latin1')
    if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve))
  }
  if (options.ending !== 'wait') socket.end()
  await closed
  return { text: Buffer.concat(chunks).toString('latin1'), clean: ended && !failed }
}

function open(options: ReplayOptions): Socket {
  const { port, tls } = options
  if (tls === undefined) {
    return connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  }
  const { ca, serverName: servername } = tls
  const socket = connectSecure({ port, host: '127.0.0.1', ca, servername })
  socket.allowHalfOpen = true
  socket.setNoDelay(true)
  return socket
}

/** One answer on an HTTP/1.1 connection. */
export interface ReadAnswer {
  readonly status: number
  readonly head: string
  readonly body: string
}

const STATUS_LINE = /^HTTP\/1\.1 (\d{3}) [^\r\n]*$/

/**
 * Takes the bytes a client read apart: every answer whole, nothing between or behind them.
 * `methods` are those of the requests, for HEAD. Throws on anything else.
 */
export function readAnswers(text: string, methods: readonly string[] = []): readonly ReadAnswer[] {
  const answers: ReadAnswer[] = []
  let at = 0
  let final = 0
  while (at < text.length) {
    const headEnd = text.indexOf('\r\n\r\n', at)
    const head = text.slice(at, headEnd)
    const line = STATUS_LINE.exec(head.split('\r\n')[0]!)
    if (headEnd === -1 || line === null)
      throw new Error(`no answer: ${JSON.stringify(text.slice(at))}`)
    const status = Number(line[1])
    const bodiless = status < 200 || status === 204 || status === 304 || methods[final] === 'HEAD'
    const { body, end } = bodiless
      ? { body: '', end: headEnd + 4 }
      : readBody(text, head, headEnd + 4)
    if (status >= 200) final++
    answers.push({ status, head, body })
    at = end
  }
  return answers
}

function readBody(text: string, head: string, start: number): { body: string; end: number } {
  const length = /^content-length: (\d+)$/im.exec(head)
  if (length !== null) {
    const end = start + Number(length[1])
    if (end > text.length) throw new Error('an answer shorter than its length')
    return { body: text.slice(start, end), end }
  }
  if (!/^transfer-encoding: chunked$/im.test(head)) throw new Error('an answer without framing')
  let body = ''
  let at = start
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    if (lineEnd === -1 || Number.isNaN(size)) throw new Error('a chunked answer cut off')
    if (size === 0) return { body, end: text.indexOf('\r\n\r\n', lineEnd) + 4 }
    body += text.slice(lineEnd + 2, lineEnd + 2 + size)
    at = lineEnd + 4 + size
  }
}

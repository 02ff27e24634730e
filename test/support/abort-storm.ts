import { connect, type Socket } from 'node:net'
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  GET_FIELDS,
  headerBlock,
  HEADERS,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  uint32,
} from './h2-frames.ts'
import type { StallingBackend } from './stalling-backend.ts'

/** One way to leave a gateway alone with an exchange. */
export interface Abort {
  readonly name: string
  /** latin1, sent at once. */
  readonly bytes: string
  /** What to wait for before leaving. */
  readonly until: 'sent' | 'stalled' | 'answered'
  readonly by: 'reset' | 'close'
  /** Sent before leaving, and the connection is closed only then (RST_STREAM). */
  readonly last?: string
  /** Behind a request that was answered on the same connection. */
  readonly kept?: boolean
  /** A client that only half-closes still wants its answer: no abort. */
  readonly onlyReset?: boolean
  /** The client reads nothing. */
  readonly deaf?: boolean
}

const head = (start: string, ...fields: readonly string[]): string =>
  [start, 'Host: shop.test', ...fields, '', ''].join('\r\n')

const CANCEL = frame(RST_STREAM, 0, 1, uint32(8)).toString('latin1')
const INITIAL_WINDOW_SIZE = 4

function h2(path: string, flags: number, window: number | null = null, body = ''): string {
  const settings = Buffer.alloc(window === null ? 0 : 6)
  if (window !== null) {
    settings.writeUInt16BE(INITIAL_WINDOW_SIZE, 0)
    settings.writeUInt32BE(window, 2)
  }
  const fields = GET_FIELDS.map(([name, value]) => [name, name === ':path' ? path : value] as const)
  return Buffer.concat([
    PREFACE,
    frame(SETTINGS, 0, 0, settings),
    frame(HEADERS, flags, 1, headerBlock(fields)),
    ...(body === '' ? [] : [frame(DATA, 0, 1, Buffer.from(body))]),
  ]).toString('latin1')
}

const WHOLE = END_HEADERS | END_STREAM

const PHASES: readonly Omit<Abort, 'by'>[] = [
  { name: 'before the first byte', bytes: '', until: 'sent' },
  { name: 'within the start line', bytes: 'GET /a HT', until: 'sent' },
  { name: 'within the head', bytes: 'GET /a HTTP/1.1\r\nHost: sh', until: 'sent' },
  {
    name: 'before the body',
    bytes: head('POST /silent HTTP/1.1', 'Content-Length: 9'),
    until: 'stalled',
  },
  {
    name: 'within the body',
    bytes: `${head('POST /silent HTTP/1.1', 'Content-Length: 9')}abc`,
    until: 'stalled',
  },
  {
    name: 'within a chunk',
    bytes: `${head('POST /silent HTTP/1.1', 'Transfer-Encoding: chunked')}5\r\nab`,
    until: 'stalled',
  },
  {
    name: 'while it waits',
    bytes: head('GET /silent HTTP/1.1'),
    until: 'stalled',
    onlyReset: true,
  },
  {
    name: 'while another of its requests waits',
    bytes: head('GET /silent HTTP/1.1') + head('GET /a HTTP/1.1'),
    until: 'stalled',
    onlyReset: true,
  },
  {
    name: 'while an upgrade waits',
    bytes: head('GET /silent HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket'),
    until: 'stalled',
    onlyReset: true,
  },
  {
    name: 'within the answer',
    bytes: head('GET /part HTTP/1.1'),
    until: 'answered',
    onlyReset: true,
  },
  {
    name: 'within an answer it does not read',
    bytes: head('GET /large HTTP/1.1'),
    until: 'stalled',
    deaf: true,
  },
  { name: 'behind the answer', bytes: head('GET /a HTTP/1.1'), until: 'answered' },
  { name: 'h2: behind the preface', bytes: h2('/a', WHOLE).slice(0, 33), until: 'sent' },
  { name: 'h2: within a header block', bytes: h2('/a', END_STREAM), until: 'sent' },
  { name: 'h2: within the body', bytes: h2('/silent', END_HEADERS, null, 'abc'), until: 'stalled' },
  { name: 'h2: while it waits', bytes: h2('/silent', WHOLE), until: 'stalled' },
  {
    name: 'h2: while it waits, by RST_STREAM',
    bytes: h2('/silent', WHOLE),
    until: 'stalled',
    last: CANCEL,
  },
  { name: 'h2: within the answer', bytes: h2('/part', WHOLE), until: 'stalled' },
  {
    name: 'h2: within the answer, by RST_STREAM',
    bytes: h2('/part', WHOLE),
    until: 'stalled',
    last: CANCEL,
  },
  { name: 'h2: with a window of nothing', bytes: h2('/medium', WHOLE, 0), until: 'stalled' },
  { name: 'h2: behind the answer', bytes: h2('/a', WHOLE), until: 'answered' },
]

/** Every phase of an exchange in both protocols, left by a reset and by a close. */
export const ABORTS: readonly Abort[] = PHASES.flatMap((phase) => {
  const variants: Abort[] = [{ ...phase, by: 'reset' }]
  const again = { ...phase, name: `${phase.name}, on a kept connection`, kept: true }
  if (!phase.name.startsWith('h2')) variants.push({ ...again, by: 'reset' })
  if (phase.onlyReset !== true) {
    variants.push({ ...phase, name: `${phase.name}, by closing`, by: 'close' })
  }
  return variants
})

/** Opens a connection, gets it to the phase, leaves. Resolves when the client's socket is gone. */
export async function abortOnce(
  abort: Abort,
  port: number,
  backend: StallingBackend,
): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {})
  const gone = new Promise((resolve) => socket.once('close', resolve))
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  if (abort.kept === true) {
    socket.write(head('GET /a HTTP/1.1'), 'latin1')
    await new Promise((resolve) => socket.once('data', resolve))
  }
  const phase = reach(abort, socket, backend)
  if (abort.deaf === true) socket.pause()
  if (abort.bytes !== '') socket.write(abort.bytes, 'latin1')
  await phase
  if (abort.last !== undefined) {
    await new Promise((resolve) => socket.write(abort.last!, 'latin1', resolve))
  }
  if (abort.by === 'reset') socket.resetAndDestroy()
  else socket.destroy()
  await gone
}

async function reach(abort: Abort, socket: Socket, backend: StallingBackend): Promise<void> {
  if (abort.until === 'stalled') await backend.nextStall()
  else if (abort.until === 'answered') await new Promise((resolve) => socket.once('data', resolve))
  else await new Promise((resolve) => setImmediate(resolve))
}

/** Leaves `count` exchanges, one after another, phase by phase in turn. */
export async function abortMany(
  count: number,
  port: number,
  backend: StallingBackend,
  onProgress: (done: number) => void = () => {},
): Promise<void> {
  for (let i = 0; i < count; i++) {
    await abortOnce(ABORTS[i % ABORTS.length]!, port, backend)
    onProgress(i + 1)
  }
}

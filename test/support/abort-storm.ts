import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { AbortBench } from './abort-bench.ts'
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
import { OPEN_HOST } from './wire-gateway.ts'

/** One way to leave a gateway alone with an exchange. */
export interface Abort {
  readonly name: string
  /** latin1, sent at once; `client-hello` stands for the first bytes of TLS. */
  readonly bytes: string
  /** What to wait for before leaving; `dialed`: a backend that never accepts is being connected to. */
  readonly until: 'sent' | 'stalled' | 'answered' | 'dialed'
  readonly by: 'reset' | 'close'
  /** Sent before leaving, and the connection is closed only then (RST_STREAM). */
  readonly last?: string
  /** Behind a request that was answered on the same connection. */
  readonly kept?: boolean
  /** A client that only half-closes still wants its answer, or is not read just now: no abort. */
  readonly onlyReset?: boolean
  /** The client reads nothing. */
  readonly deaf?: boolean
  /** To the TLS port: the bytes inside TLS, or as they are. Absent: to the other one. */
  readonly tls?: 'inside' | 'raw'
}

const head = (start: string, ...fields: readonly string[]): string =>
  [start, 'Host: shop.test', ...fields, '', ''].join('\r\n')

const CANCEL = frame(RST_STREAM, 0, 1, uint32(8)).toString('latin1')
const INITIAL_WINDOW_SIZE = 4

type Scheme = 'http' | 'https'

function h2(
  scheme: Scheme,
  path: string,
  flags: number,
  window: number | null = null,
  body = '',
): string {
  const settings = Buffer.alloc(window === null ? 0 : 6)
  if (window !== null) {
    settings.writeUInt16BE(INITIAL_WINDOW_SIZE, 0)
    settings.writeUInt32BE(window, 2)
  }
  const own = new Map([
    [':path', path],
    [':scheme', scheme],
  ])
  const fields = GET_FIELDS.map(([name, value]) => [name, own.get(name) ?? value] as const)
  return Buffer.concat([
    PREFACE,
    frame(SETTINGS, 0, 0, settings),
    frame(HEADERS, flags, 1, headerBlock(fields)),
    ...(body === '' ? [] : [frame(DATA, 0, 1, Buffer.from(body))]),
  ]).toString('latin1')
}

const WHOLE = END_HEADERS | END_STREAM

type Phase = Omit<Abort, 'by'>

const H1_PHASES: readonly Phase[] = [
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
  {
    name: 'while its backend is connected to',
    bytes: head('GET /hole HTTP/1.1'),
    until: 'dialed',
    onlyReset: true,
  },
  {
    name: 'within the body, while its backend is connected to',
    bytes: `${head('POST /hole HTTP/1.1', 'Content-Length: 9')}abc`,
    until: 'dialed',
    onlyReset: true,
  },
  {
    name: 'while a retry is put off',
    bytes: head('GET /failing HTTP/1.1'),
    until: 'stalled',
    onlyReset: true,
  },
  {
    name: 'within the body, while a retry is put off',
    bytes: `${head('POST /failing HTTP/1.1', 'Content-Length: 9')}abc`,
    until: 'stalled',
    onlyReset: true,
  },
]

const h2Phases = (scheme: Scheme): readonly Phase[] => [
  { name: 'h2: behind the preface', bytes: h2(scheme, '/a', WHOLE).slice(0, 33), until: 'sent' },
  { name: 'h2: within a header block', bytes: h2(scheme, '/a', END_STREAM), until: 'sent' },
  {
    name: 'h2: within the body',
    bytes: h2(scheme, '/silent', END_HEADERS, null, 'abc'),
    until: 'stalled',
  },
  { name: 'h2: while it waits', bytes: h2(scheme, '/silent', WHOLE), until: 'stalled' },
  {
    name: 'h2: while it waits, by RST_STREAM',
    bytes: h2(scheme, '/silent', WHOLE),
    until: 'stalled',
    last: CANCEL,
  },
  { name: 'h2: within the answer', bytes: h2(scheme, '/part', WHOLE), until: 'stalled' },
  {
    name: 'h2: within the answer, by RST_STREAM',
    bytes: h2(scheme, '/part', WHOLE),
    until: 'stalled',
    last: CANCEL,
  },
  {
    name: 'h2: with a window of nothing',
    bytes: h2(scheme, '/medium', WHOLE, 0),
    until: 'stalled',
  },
  { name: 'h2: behind the answer', bytes: h2(scheme, '/a', WHOLE), until: 'answered' },
  {
    name: 'h2: while its backend is connected to',
    bytes: h2(scheme, '/hole', WHOLE),
    until: 'dialed',
  },
  {
    name: 'h2: while its backend is connected to, by RST_STREAM',
    bytes: h2(scheme, '/hole', WHOLE),
    until: 'dialed',
    last: CANCEL,
  },
  { name: 'h2: while a retry is put off', bytes: h2(scheme, '/failing', WHOLE), until: 'stalled' },
  {
    name: 'h2: while a retry is put off, by RST_STREAM',
    bytes: h2(scheme, '/failing', WHOLE),
    until: 'stalled',
    last: CANCEL,
  },
]

const HANDSHAKE_PHASES: readonly Phase[] = [
  { name: 'within the ClientHello', bytes: '\x16\x03\x01\x02\0\x01', until: 'sent', tls: 'raw' },
  { name: 'behind the ClientHello', bytes: 'client-hello', until: 'answered', tls: 'raw' },
]

const inTls = (phase: Phase): Abort => ({
  ...phase,
  name: `${phase.name}, over TLS`,
  tls: 'inside',
  by: 'reset',
})

/** Every phase of an exchange in both protocols, left by a reset and by a close, and over TLS. */
export const ABORTS: readonly Abort[] = [
  ...[...H1_PHASES, ...h2Phases('http'), ...HANDSHAKE_PHASES].flatMap(waysToLeave),
  ...[...H1_PHASES, ...h2Phases('https')].map(inTls),
]

function waysToLeave(phase: Phase): Abort[] {
  const variants: Abort[] = [{ ...phase, by: 'reset' }]
  const again = { ...phase, name: `${phase.name}, on a kept connection`, kept: true }
  const isH1 = phase.tls === undefined && !phase.name.startsWith('h2')
  if (isH1) variants.push({ ...again, by: 'reset' })
  if (phase.onlyReset !== true) {
    variants.push({ ...phase, name: `${phase.name}, by closing`, by: 'close' })
  }
  return variants
}

/** Opens a connection, gets it to the phase, leaves. Resolves when the client's socket is gone. */
export async function abortOnce(abort: Abort, bench: AbortBench): Promise<void> {
  const port = abort.tls === undefined ? bench.port : bench.securePort
  const carrier = connect({ port, host: '127.0.0.1', noDelay: true })
  carrier.on('error', () => {})
  const gone = new Promise((resolve) => carrier.once('close', resolve))
  await new Promise<void>((resolve) => carrier.once('connect', resolve))
  const socket = abort.tls === 'inside' ? await secured(carrier, abort, bench.ca) : carrier
  if (abort.kept === true) {
    socket.write(head('GET /a HTTP/1.1'), 'latin1')
    await new Promise((resolve) => socket.once('data', resolve))
  }
  const phase = reach(abort, socket, bench)
  if (abort.deaf === true) socket.pause()
  const bytes = abort.bytes === 'client-hello' ? bench.clientHello : abort.bytes
  if (bytes !== '') socket.write(bytes, 'latin1')
  await phase
  if (abort.last !== undefined) {
    await new Promise((resolve) => socket.write(abort.last!, 'latin1', resolve))
  }
  if (abort.by === 'reset') carrier.resetAndDestroy()
  else carrier.destroy()
  await gone
}

async function secured(carrier: Socket, { name }: Abort, ca: string): Promise<Socket> {
  const ALPNProtocols = [name.startsWith('h2') ? 'h2' : 'http/1.1']
  const socket = connectTls({ socket: carrier, servername: OPEN_HOST, ca, ALPNProtocols })
  socket.on('error', () => {})
  await new Promise<void>((resolve) => socket.once('secureConnect', resolve))
  return socket
}

async function reach(abort: Abort, socket: Socket, bench: AbortBench): Promise<void> {
  if (abort.until === 'stalled') await bench.backend.nextStall()
  else if (abort.until === 'dialed') await bench.nextDial()
  else if (abort.until === 'answered') await new Promise((resolve) => socket.once('data', resolve))
  else await new Promise((resolve) => setImmediate(resolve))
}

/** Leaves `count` exchanges, one after another, phase by phase in turn. */
export async function abortMany(count: number, bench: AbortBench): Promise<void> {
  for (let i = 0; i < count; i++) await abortOnce(ABORTS[i % ABORTS.length]!, bench)
}

import { connect, type Socket } from 'node:net'
import { spawnSync } from 'node:child_process'
import { connect as connectTls } from 'node:tls'
import {
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
} from '../test/support/h2-frames.ts'

/**
 * The attackers of hostile-mix.ts, in a process of their own: told the gateway's ports by a message,
 * they run until the process ends and tell what they did every second. Their addresses are not
 * those of the clients that measure.
 */
export interface AttackOrder {
  readonly plainPort: number
  readonly tlsPort: number
  readonly slow: number
  readonly newPerSecond: number
  /** Of the new connections, those that begin with a TLS handshake. */
  readonly newTlsPerSecond: number
  readonly resetters: number
}

export interface AttackReport {
  slowOpened: number
  slowOpen: number
  opened: number
  answered: number
  failed: number
  streamsReset: number
  sessionsEnded: number
}

const HOST = 'bench.test'
const SLOW_ADDRESS = '127.0.0.2'
const RESET_ADDRESS = '127.0.0.3'
/** Several, or the ports of one would run out while they wait in TIME_WAIT. */
const CHURN_ADDRESSES = 16
const DRIP_MS = 500
const TICK_MS = 5
const STREAMS_PER_WRITE = 100
/**
 * Late connections are made up for at this many times their pace: a pause of this process must not
 * become a burst that no rate of new connections has.
 */
const CATCH_UP = 2
const REPORT_MS = 250

const done: AttackReport = {
  slowOpened: 0,
  slowOpen: 0,
  opened: 0,
  answered: 0,
  failed: 0,
  streamsReset: 0,
  sessionsEnded: 0,
}

process.on('message', (order: AttackOrder) => {
  leaveTheCoreToOthers()
  // Strangers to each other: their bytes do not come all at one time.
  for (let i = 0; i < order.slow; i++) {
    setTimeout(beSlow, (i * DRIP_MS) / order.slow, i, order.plainPort)
  }
  for (let i = 0; i < order.resetters; i++) reset(order.plainPort)
  churn(order)
  setInterval(() => process.send!(done), REPORT_MS)
})

/** The gateway is the one under test: this core belongs to who measures and to the backend. */
function leaveTheCoreToOthers(): void {
  spawnSync('chrt', ['--idle', '--pid', '0', String(process.pid)], { stdio: 'ignore' })
}

// ---- slow clients

type Way = (socket: Socket) => () => void

/** Each sends its beginning at once and gives what it does every DRIP_MS. */
const WAYS: readonly Way[] = [
  function slowHead(socket) {
    socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}\r\n`)
    return () => void socket.write('X-a: b\r\n')
  },
  function slowBody(socket) {
    socket.write(`POST / HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 1000000\r\n\r\n`)
    return () => void socket.write('x')
  },
  function slowReader(socket) {
    socket.write(`GET /large HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`)
    socket.pause()
    return () => void socket.read(1024)
  },
]

/** One that is let go comes back at once. */
function beSlow(index: number, port: number): void {
  const socket = connect({ port, host: '127.0.0.1', localAddress: SLOW_ADDRESS })
  done.slowOpened++
  done.slowOpen++
  socket.on('error', () => {})
  const reads = WAYS[index % WAYS.length]!
  if (reads.name !== 'slowReader') socket.resume()
  const drip = reads(socket)
  const timer = setInterval(drip, DRIP_MS)
  socket.on('close', () => {
    clearInterval(timer)
    done.slowOpen--
    setTimeout(beSlow, TICK_MS, index, port)
  })
}

// ---- rapid reset

const BLOCK = headerBlock(
  GET_FIELDS.map(([name, value]) => [name, name === ':authority' ? HOST : value]),
)
const CANCEL = uint32(8)
/** Many times what one session may reset; the rest would only cost the attacker. */
const LAST_STREAM = 10_000

/** Streams that are begun and reset as fast as they are taken; a new session when one was ended. */
function reset(port: number): void {
  const socket = connect({ port, host: '127.0.0.1', localAddress: RESET_ADDRESS })
  let stream = 1
  let over = false
  const send = (): void => {
    while (!over && stream < LAST_STREAM) {
      const frames: Buffer[] = []
      for (let i = 0; i < STREAMS_PER_WRITE; i++, stream += 2) {
        frames.push(frame(HEADERS, END_HEADERS | END_STREAM, stream, BLOCK))
        frames.push(frame(RST_STREAM, 0, stream, CANCEL))
      }
      done.streamsReset += STREAMS_PER_WRITE
      if (!socket.write(Buffer.concat(frames))) return
    }
  }
  socket.on('error', () => {})
  socket.on('drain', send)
  socket.resume()
  socket.on('close', () => {
    over = true
    done.sessionsEnded++
    setTimeout(reset, TICK_MS, port)
  })
  socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, Buffer.alloc(0))]))
  send()
}

// ---- new connections

/** As many new connections in every second, each with one request and one answer. */
function churn(order: AttackOrder): void {
  const startedAt = performance.now()
  const plainPerSecond = order.newPerSecond - order.newTlsPerSecond
  let plain = 0
  let secure = 0
  setInterval(() => {
    const seconds = (performance.now() - startedAt) / 1000
    const lastPlain = dueBy(seconds, plain, plainPerSecond)
    for (; plain < lastPlain; plain++) {
      askOnce(
        connect({ port: order.plainPort, host: '127.0.0.1', localAddress: churnAddress(plain) }),
      )
    }
    const lastSecure = dueBy(seconds, secure, order.newTlsPerSecond)
    for (; secure < lastSecure; secure++) {
      const options = { port: order.tlsPort, host: '127.0.0.1', localAddress: churnAddress(secure) }
      const socket = connectTls({
        socket: connect(options),
        servername: HOST,
        rejectUnauthorized: false,
      })
      askOnce(socket)
    }
  }, TICK_MS)
}

/** How many there are to be now, when there were `count` a tick ago. */
function dueBy(seconds: number, count: number, perSecond: number): number {
  return Math.min(seconds * perSecond, count + (CATCH_UP * perSecond * TICK_MS) / 1000)
}

function churnAddress(index: number): string {
  return `127.0.1.${1 + (index % CHURN_ADDRESSES)}`
}

function askOnce(socket: Socket): void {
  done.opened++
  let answered = false
  socket.on('error', () => {})
  socket.once('data', () => {
    answered = true
    done.answered++
    socket.destroy()
  })
  socket.once('close', () => {
    if (!answered) done.failed++
  })
  socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`)
}

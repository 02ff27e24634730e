import { type ClientHttp2Session, connect as connectH2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** What paced clients saw in one phase. Latencies count from the time a request was due. */
export class PhaseResult {
  readonly latenciesMs: number[] = []
  readonly errors: string[] = []

  /** 0 to 1. */
  percentile(part: number): number {
    const sorted = this.latenciesMs.toSorted((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
  }
}

export interface PoliteClients {
  /** Sends at the pace for a while; resolves when every request was answered or given up. */
  run(seconds: number): Promise<PhaseResult>
  close(): void
}

interface Lane {
  readonly busy: boolean
  ask(onDone: (error: string | null) => void): void
  close(): void
}

const HOST = 'bench.test'
const GIVE_UP_MS = 10_000
const TICK_MS = 1

/** `requestsPerSecond` spread over `connections` kept connections. */
export function politeClients(
  kind: 'h1' | 'https' | 'h2',
  port: number,
  connections: number,
  requestsPerSecond: number,
): PoliteClients {
  const lanes: Lane[] = Array.from({ length: connections }, () =>
    kind === 'h2' ? new H2Lane(port) : new H1Lane(port, kind === 'https'),
  )
  return {
    run: (seconds) => pace(lanes, requestsPerSecond, seconds),
    close: () => lanes.forEach((lane) => lane.close()),
  }
}

async function pace(
  lanes: readonly Lane[],
  requestsPerSecond: number,
  seconds: number,
): Promise<PhaseResult> {
  const result = new PhaseResult()
  const total = Math.round(requestsPerSecond * seconds)
  const startedAt = performance.now()
  const dueAt = (n: number): number => startedAt + (n * 1000) / requestsPerSecond
  let due = 0
  let started = 0
  let over = 0
  const start = (): void => {
    while (started < due) {
      const lane = lanes.find(({ busy }) => !busy)
      if (lane === undefined) return
      const intended = dueAt(started++)
      lane.ask((error) => {
        over++
        if (error === null) result.latenciesMs.push(performance.now() - intended)
        else result.errors.push(error)
        start()
      })
    }
  }
  const ticking = setInterval(() => {
    const now = performance.now()
    while (due < total && dueAt(due) <= now) due++
    start()
  }, TICK_MS)
  const giveUpAt = startedAt + seconds * 1000 + GIVE_UP_MS
  while (over < total && performance.now() < giveUpAt) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  clearInterval(ticking)
  for (let n = over; n < total; n++) result.errors.push('no answer')
  return result
}

/** One kept HTTP/1.1 connection; opened again when the gateway announced its end. */
class H1Lane implements Lane {
  busy = false
  readonly #port: number
  readonly #tls: boolean
  #socket: Socket | null = null
  #text = ''
  #onDone: (error: string | null) => void = () => {}

  constructor(port: number, tls: boolean) {
    this.#port = port
    this.#tls = tls
  }

  ask(onDone: (error: string | null) => void): void {
    this.busy = true
    this.#onDone = onDone
    this.#text = ''
    this.#socket ??= this.#open()
    this.#socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}\r\nUser-Agent: polite\r\n\r\n`)
  }

  close(): void {
    const socket = this.#socket
    this.#socket = null
    socket?.destroy()
  }

  #open(): Socket {
    const port = this.#port
    const socket = this.#tls
      ? connectTls({ port, host: '127.0.0.1', servername: HOST, rejectUnauthorized: false })
      : connect({ port, host: '127.0.0.1' })
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#text += text
      if (!this.#text.endsWith('hello world\n')) return
      if (/^connection: close/im.test(this.#text)) this.close()
      this.#finish(this.#text.startsWith('HTTP/1.1 200 ') ? null : this.#text.slice(0, 40))
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.#socket = null
      if (this.busy) this.#finish(`closed after ${JSON.stringify(this.#text.slice(0, 40))}`)
    })
    return socket
  }

  #finish(error: string | null): void {
    this.busy = false
    this.#onDone(error)
  }
}

/** Requests that one HTTP/2 session may have under way. */
const H2_STREAMS = 10

class H2Lane implements Lane {
  readonly #port: number
  #session: ClientHttp2Session | null = null
  #open = 0

  constructor(port: number) {
    this.#port = port
  }

  get busy(): boolean {
    return this.#open >= H2_STREAMS
  }

  ask(onDone: (error: string | null) => void): void {
    this.#open++
    this.#session ??= this.#connect()
    const stream = this.#session.request({ ':authority': HOST, ':path': '/' })
    let status = 0
    let bytes = 0
    stream.on('response', (headers) => (status = headers[':status'] ?? 0))
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length))
    stream.on('error', () => {})
    stream.on('close', () => {
      this.#open--
      onDone(status === 200 && bytes === 12 ? null : `h2 ${status}, rst ${stream.rstCode}`)
    })
  }

  close(): void {
    this.#session?.destroy()
    this.#session = null
  }

  #connect(): ClientHttp2Session {
    const session = connectH2(`https://127.0.0.1:${this.#port}`, {
      servername: HOST,
      rejectUnauthorized: false,
    })
    const forget = (): void => {
      if (this.#session === session) this.#session = null
    }
    session.on('error', () => {})
    session.on('goaway', forget)
    session.on('close', forget)
    return session
  }
}

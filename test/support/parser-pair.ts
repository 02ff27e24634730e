import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { DownstreamExchange, ExchangeHandler } from '../../src/http/exchange.ts'
import { Headers } from '../../src/http/headers.ts'
import { HttpSettings } from '../../src/http/http-settings.ts'
import { UNKNOWN_LENGTH } from '../../src/http/request.ts'
import { HttpServerEngine } from '../../src/http/server-engine.ts'
import { TimerWheel } from '../../src/http/timer-wheel.ts'
import { writeRequestHead } from '../../src/upstream/h1-request-writer.ts'
import { MemorySocket } from './memory-socket.ts'
import { readAllWays } from './request-readers.ts'
import type { WireInput } from './wire-mutator.ts'

/** A request as one of the two parsers saw it. */
export interface ParsedRequest {
  readonly method: string
  readonly target: string
  /** End-to-end fields, name and value in turn, names lower-case; without Host and framing. */
  readonly fields: readonly string[]
  /** latin1 */
  readonly body: string
  readonly complete: boolean
}

/** Node's view keeps what a class of differences may need as evidence. */
export interface NodeRequest extends ParsedRequest {
  readonly version: string
  readonly rawHeaders: readonly string[]
  readonly rawTrailers: readonly string[]
}

/** What both parsers made of the same bytes. */
export interface ParsedPair {
  readonly bytes: string
  readonly ours: readonly ParsedRequest[]
  /** Reason of our refusal, or null. */
  readonly refusal: string | null
  readonly node: readonly NodeRequest[]
  /** Code of llhttp's error, `EXPECTATION`, or null. */
  readonly nodeError: string | null
  /**
   * Invariants of our side that did not hold; among them, that a connection that was used before
   * makes the same of the bytes.
   */
  readonly broken: readonly string[]
}

/** Records one request of ours and answers it. */
class Recorder implements ExchangeHandler {
  readonly exchange: DownstreamExchange
  body = ''
  complete = false
  over = false

  constructor(exchange: DownstreamExchange) {
    this.exchange = exchange
    exchange.handler = this
    if (exchange.request.upgrade !== null || exchange.request.method === 'CONNECT') this.#answer()
  }

  onRequestBody(chunk: Buffer): void {
    this.body += chunk.toString('latin1')
  }

  onRequestEnd(): void {
    this.#answer()
  }

  onDownstreamDrain(): void {}

  onDownstreamAbort(): void {
    this.over = true
  }

  onResponseSent(): void {
    this.over = true
  }

  #answer(): void {
    this.complete = true
    this.exchange.sendWhole(200, new Headers(), '')
  }

  get seen(): ParsedRequest {
    const { method, path, query, headers } = this.exchange.request
    const fields = headers.fields.slice()
    return { method, target: path + query, fields, body: this.body, complete: this.complete }
  }

  /** What a backend would get, read by every reader; null when they agree that it is this request. */
  forwardedOtherwise(): string | null {
    const { request } = this.exchange
    const { method, scheme, authority, path, query, headers, upgrade, expectsContinue } = request
    const { bodyLength } = request
    const head = writeRequestHead({
      method,
      scheme,
      authority,
      target: path + query,
      headers,
      bodyLength,
      upgrade,
      expectsContinue,
      clientHttp2: false,
    })
    if (head === null) return 'the last check refused to forward it'
    // CONNECT and HTTP/1.0 without Host have forms of their own.
    if (method === 'CONNECT') return null
    const text = head + framed(this.body, bodyLength)
    const reading = readAllWays(text)
    if (reading.broken !== null) return reading.broken
    const [only, more] = reading.requests
    if (only === undefined || more !== undefined) return `${reading.requests.length} requests`
    return only.body === this.body && only.complete === this.complete ? null : 'another body'
  }
}

function framed(body: string, length: number): string {
  if (length !== UNKNOWN_LENGTH) return body
  return body === '' ? '0\r\n\r\n' : `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
}

/** One connection to our engine, and what it made of its bytes. */
class OurConnection {
  readonly socket = new MemorySocket()
  readonly requests: Recorder[] = []
  refusal: string | null = null

  /** What does not hold whatever the bytes are. */
  get broken(): string[] {
    const broken: string[] = []
    if (!this.socket.destroyed) broken.push('our connection hangs')
    for (const request of this.requests) {
      if (!request.over) broken.push('an exchange never ended')
      if (!request.complete) continue
      const otherwise = request.forwardedOtherwise()
      if (otherwise !== null) broken.push(`forwarded otherwise: ${otherwise}`)
    }
    return broken
  }

  /** What became of all but the first requests, as text to be compared. */
  verdictFrom(first: number): string {
    const requests = this.requests.slice(first).map(({ seen }) => seen)
    return JSON.stringify({ requests, refusal: this.refusal })
  }
}

/** One connection's worth of bytes on its way through both parsers. */
class Run {
  readonly input: WireInput
  readonly pieces: readonly string[]
  readonly fresh = new OurConnection()
  /** The one that brings a valid request again and again before the same pieces. */
  readonly used: OurConnection | null
  readonly nodeSocket = new MemorySocket()
  readonly node: { readonly message: IncomingMessage; readonly body: Buffer[] }[] = []
  nodeError: string | null = null

  constructor(input: WireInput, pieces: readonly string[]) {
    this.input = input
    this.pieces = pieces
    this.used = input.before === null ? null : new OurConnection()
  }

  get sockets(): readonly MemorySocket[] {
    const own = [this.fresh.socket, this.nodeSocket]
    return this.used === null ? own : [...own, this.used.socket]
  }

  get isOpen(): boolean {
    return this.sockets.some(({ destroyed }) => !destroyed)
  }

  /** How the connection that was used before differs from the fresh one. */
  get brokenByUse(): string[] {
    const { before } = this.input
    if (before === null || this.used === null) return []
    const broken = this.used.broken.map((each) => `behind others: ${each}`)
    const [used, fresh] = [this.used.verdictFrom(before.times), this.fresh.verdictFrom(0)]
    if (used === fresh) return broken
    const others = `${before.times} of ${JSON.stringify(before.request)}`
    return [...broken, `behind ${others} ${used} instead of ${fresh}`]
  }
}

/** Turns of the event loop after which an open connection counts as hanging. */
const MAX_TURNS = 200

/** Feeds the same bytes to our server engine and to Node's (llhttp), over memory. */
export class ParserPair {
  readonly #wheel = new TimerWheel()
  readonly #engine: HttpServerEngine
  readonly #server: Server
  readonly #runs = new Map<unknown, Run>()

  constructor() {
    this.#engine = new HttpServerEngine({
      scheme: 'http',
      settings: new HttpSettings(),
      wheel: this.#wheel,
      onExchange: (exchange) => {
        connectionOf(exchange.connection.context).requests.push(new Recorder(exchange))
      },
      onRefusal: (refusal, connection) => {
        connectionOf(connection.context).refusal = refusal.reason
      },
    })
    this.#server = this.#startNode()
  }

  #startNode(): Server {
    const server = createServer({
      maxHeaderSize: 61_440,
      requestTimeout: 0,
      headersTimeout: 0,
      requireHostHeader: false,
    })
    server.maxHeadersCount = 0
    const take = (message: IncomingMessage): Run => {
      const run = this.#runs.get(message.socket)!
      const body: Buffer[] = []
      run.node.push({ message, body })
      message.on('data', (chunk: Buffer) => body.push(chunk))
      message.on('error', () => {})
      return run
    }
    server.on('request', (message, response) => {
      take(message)
      message.on('end', () => response.end())
    })
    server.on('checkExpectation', (message, response) => {
      take(message).nodeError = 'EXPECTATION'
      response.writeHead(417, { connection: 'close' }).end()
    })
    server.on('connect', (message, socket) => {
      take(message)
      socket.end()
    })
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const run = this.#runs.get(socket)
      if (run !== undefined) run.nodeError ??= error.code ?? error.message
      socket.destroy()
    })
    return server
  }

  /** Runs many inputs at once. `cut` says in which pieces our side gets them. */
  async parse(
    inputs: readonly WireInput[],
    cut: (bytes: string) => readonly string[],
  ): Promise<ParsedPair[]> {
    const runs = inputs.map((input) => new Run(input, cut(input.bytes)))
    await this.#use(runs)
    for (const run of runs) this.#begin(run)
    await turns(2)
    for (const socket of runs.flatMap(({ sockets }) => sockets)) socket.finish()
    for (let i = 0; i < MAX_TURNS && runs.some(({ isOpen }) => isOpen); i++) await turns(1)
    const pairs = runs.map(toPair)
    for (const run of runs) {
      this.#runs.delete(run.nodeSocket)
      for (const socket of run.sockets) socket.destroy()
    }
    return pairs
  }

  /** Brings the requests that come before, each when the one before it was answered. */
  async #use(runs: readonly Run[]): Promise<void> {
    const used = runs.filter((run) => run.used !== null)
    for (const { used: connection } of used) this.#accept(connection!)
    const most = Math.max(0, ...used.map(({ input }) => input.before!.times))
    for (let i = 0; i < most; i++) {
      for (const { input, used: connection } of used) {
        if (i < input.before!.times) connection!.socket.feed(input.before!.request)
      }
      await turns(1)
    }
  }

  #accept(connection: OurConnection): void {
    this.#engine.accept(connection.socket.asSocket, connection)
  }

  #begin(run: Run): void {
    this.#runs.set(run.nodeSocket, run)
    this.#accept(run.fresh)
    this.#server.emit('connection', run.nodeSocket)
    for (const piece of run.pieces) {
      run.fresh.socket.feed(piece)
      run.used?.socket.feed(piece)
    }
    run.nodeSocket.feed(run.input.bytes)
  }

  get activeExchanges(): number {
    return this.#engine.activeExchanges
  }

  close(): void {
    this.#engine.destroyAll()
    this.#wheel.close()
    this.#server.close()
  }
}

/** The context of a connection is what we gave to accept(). */
function connectionOf(context: unknown): OurConnection {
  if (!(context instanceof OurConnection)) throw new Error('a connection of somebody else')
  return context
}

function toPair(run: Run): ParsedPair {
  const { fresh } = run
  return {
    bytes: run.input.bytes,
    ours: fresh.requests.map((request) => request.seen),
    refusal: fresh.refusal,
    node: run.node.map(({ message, body }) => nodeRequest(message, body)),
    nodeError: run.nodeError,
    broken: [...fresh.broken, ...run.brokenByUse],
  }
}

const NOT_FORWARDED = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'te',
  'expect',
  'keep-alive',
  'proxy-connection',
  'http2-settings',
])

function nodeRequest(message: IncomingMessage, body: readonly Buffer[]): NodeRequest {
  const { rawHeaders, rawTrailers } = message
  const dropped = new Set(NOT_FORWARDED)
  let wantsTrailers = false
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    const items = rawHeaders[i + 1]!.toLowerCase()
      .split(',')
      .map((item) => item.trim())
    if (name === 'connection') for (const item of items) dropped.add(item)
    if (name === 'te' && items.includes('trailers')) wantsTrailers = true
  }
  const fields: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    if (!dropped.has(name)) fields.push(name, rawHeaders[i + 1]!)
  }
  if (wantsTrailers) fields.push('te', 'trailers')
  return {
    method: message.method ?? '',
    target: message.url ?? '',
    fields,
    body: Buffer.concat(body).toString('latin1'),
    complete: message.complete,
    version: message.httpVersion,
    rawHeaders,
    rawTrailers,
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

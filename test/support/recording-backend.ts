import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { readAllWays, type ReadRequest, readStrictly } from './request-readers.ts'

/** One connection as the backend saw it, with every byte. */
export class RecordedConnection {
  readonly socket: Socket
  /** latin1 */
  text = ''
  closed = false
  /** Requests answered so far. */
  answered = 0
  /** Where the next request begins. */
  next = 0

  constructor(socket: Socket) {
    this.socket = socket
  }
}

/** Returns the answer's bytes as latin1 text, or null to stay silent. */
export type Answer = (request: ReadRequest, connection: RecordedConnection) => string | null

/** `200` with a text body, as a careful backend would send it. */
export function okAnswer(body: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

/**
 * A raw TCP backend that keeps every byte, answers each request its strict reader finds, and has
 * all bytes read again by readers that disagree about everything a request could be ambiguous in.
 */
export class RecordingBackend implements AsyncDisposable {
  readonly connections: RecordedConnection[] = []
  /** What the readers did not agree on. Empty as long as the gateway sends plain requests. */
  readonly findings: string[] = []
  readonly #server: Server
  readonly #answer: Answer
  #marks: Map<RecordedConnection, number> = new Map()

  private constructor(answer: Answer) {
    this.#answer = answer
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket),
    )
  }

  static async start(answer: Answer): Promise<RecordingBackend> {
    const backend = new RecordingBackend(answer)
    await new Promise<void>((resolve) => backend.#server.listen(0, '127.0.0.1', resolve))
    return backend
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get openConnections(): number {
    return this.connections.filter((connection) => !connection.closed).length
  }

  #accept(socket: Socket): void {
    const connection = new RecordedConnection(socket)
    this.connections.push(connection)
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      connection.text += chunk.toString('latin1')
      this.#serve(connection)
    })
    socket.on('end', () => socket.end())
    socket.on('close', () => (connection.closed = true))
  }

  #serve(connection: RecordedConnection): void {
    const reading = readStrictly(connection.text, connection.next)
    connection.next = reading.end
    for (const request of reading.requests) {
      if (!request.complete) continue
      connection.answered++
      const answer = this.#answer(request, connection)
      if (answer !== null && connection.socket.writable) connection.socket.write(answer, 'latin1')
    }
  }

  /** From here on count the requests for `taken`. */
  mark(): void {
    this.#marks = new Map()
    for (const connection of this.connections) {
      if (!connection.closed) this.#marks.set(connection, connection.text.length)
    }
    // A closed connection can say nothing new: what it said was read when it was taken.
    this.connections.splice(0, this.connections.length, ...this.#marks.keys())
  }

  /** What came since the mark, by all readers; their disagreements go to `findings`. */
  taken(): readonly ReadRequest[] {
    const requests: ReadRequest[] = []
    for (const connection of this.connections) {
      const text = connection.text.slice(this.#marks.get(connection) ?? 0)
      const reading = readAllWays(text)
      if (reading.broken !== null) this.findings.push(reading.broken)
      requests.push(...reading.requests)
    }
    return requests
  }

  /** Reads every byte of every connection again as one stream. */
  rereadAll(): void {
    for (const connection of this.connections) {
      const { broken } = readAllWays(connection.text)
      if (broken !== null) this.findings.push(broken)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.connections) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

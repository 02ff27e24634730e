import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { connect, type ClientHttp2Stream } from 'node:http2'
import type { Readable } from 'node:stream'

export interface Question {
  readonly port: number
  readonly path?: string
  readonly host?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** More body could follow, but never comes. */
  readonly isOpen?: boolean
}

/** An answer as a client of either protocol sees it. Fields of the protocol itself are left out. */
export interface WireAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  readonly trailers: Readonly<Record<string, string | string[] | undefined>>
  /** It was cut off: before the head (status 0) or within the body. */
  readonly isCut: boolean
}

/** An answer whose head came; the body is not read yet. */
export interface OpenAnswer {
  readonly status: number
  readonly headers: WireAnswer['headers']
  readonly body: Readable
  /** Leaves in the middle: the connection or stream is reset. */
  reset(): void
}

export interface Wire {
  readonly name: string
  /** One request on a connection of its own, read to the end. */
  ask(question: Question): Promise<WireAnswer>
  /** Resolves with the head; rejects when none comes. */
  open(question: Question): Promise<OpenAnswer>
  /** Sends a request, waits for nothing, and gives the way to reset it. */
  start(question: Question): { reset(): void }
}

/** Every test of what both protocols must do alike runs over these. */
export const WIRES: readonly Wire[] = [
  {
    name: 'HTTP/1.1',
    async ask(question) {
      const sent = sendH1(question)
      try {
        const response = await headOf(sent)
        return { ...(await collect(response)), ...h1Head(response), trailers: response.trailers }
      } catch {
        return NOTHING
      }
    },
    async open(question) {
      const sent = sendH1(question)
      const response = await headOf(sent)
      const reset = (): void => void response.socket.resetAndDestroy()
      return { ...h1Head(response), body: response, reset }
    },
    start(question) {
      const sent = sendH1(question)
      sent.on('error', () => {})
      return { reset: () => void sent.socket?.resetAndDestroy() }
    },
  },
  {
    name: 'HTTP/2',
    async ask(question) {
      const { stream, close } = sendH2(question)
      let trailers: WireAnswer['trailers'] = {}
      stream.on('trailers', (fields) => (trailers = fields))
      try {
        const head = await h2Head(stream)
        return { ...(await collect(stream)), ...head, trailers }
      } catch {
        return NOTHING
      } finally {
        close()
      }
    },
    async open(question) {
      const { stream, close } = sendH2(question)
      stream.on('close', close)
      const head = await h2Head(stream)
      return { ...head, body: stream, reset: () => resetH2(stream) }
    },
    start(question) {
      const { stream, close } = sendH2(question)
      stream.on('close', close)
      return { reset: () => resetH2(stream) }
    },
  },
]

const NOTHING: WireAnswer = {
  status: 0,
  headers: {},
  body: Buffer.alloc(0),
  trailers: {},
  isCut: true,
}

function sendH1(question: Question): ClientRequest {
  const { port, path = '/', host = 'app.test', method = 'GET', headers, body } = question
  const sent = request({
    host: '127.0.0.1',
    port,
    path,
    method,
    headers: { host, te: 'trailers', ...headers },
    agent: false,
  })
  if (question.isOpen === true) sent.write(body ?? '')
  else sent.end(body)
  return sent
}

function headOf(sent: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.on('response', resolve)
    sent.on('error', reject)
  })
}

function h1Head(response: IncomingMessage): Pick<WireAnswer, 'status' | 'headers'> {
  const { connection: _1, 'keep-alive': _2, 'transfer-encoding': _3, ...headers } = response.headers
  return { status: response.statusCode ?? 0, headers }
}

function sendH2(question: Question): { stream: ClientHttp2Stream; close: () => void } {
  const { port, path = '/', host = 'app.test', method = 'GET', headers, body } = question
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  const fields = { ':method': method, ':path': path, ':authority': host, ...headers }
  const stream = session.request(fields, {
    endStream: body === undefined && question.isOpen !== true,
  })
  stream.on('error', () => {})
  if (question.isOpen === true) stream.write(body ?? '')
  else if (body !== undefined) stream.end(body)
  return { stream, close: () => session.close() }
}

/** close() would end the request first, as if it were complete. */
function resetH2(stream: ClientHttp2Stream): void {
  stream.destroy(new Error('the client leaves'))
}

function h2Head(stream: ClientHttp2Stream): Promise<Pick<WireAnswer, 'status' | 'headers'>> {
  return new Promise((resolve, reject) => {
    stream.on('response', ({ ':status': status = 0, ...headers }) => resolve({ status, headers }))
    stream.on('close', () => reject(new Error('the stream closed before an answer')))
  })
}

/** Reads to the end, or to the point where it was cut off. */
async function collect(body: Readable): Promise<{ body: Buffer; isCut: boolean }> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of body) chunks.push(chunk as Buffer)
    const rstCode = (body as { rstCode?: number }).rstCode ?? 0
    return { body: Buffer.concat(chunks), isCut: rstCode !== 0 }
  } catch {
    return { body: Buffer.concat(chunks), isCut: true }
  }
}

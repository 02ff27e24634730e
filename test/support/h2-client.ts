import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
} from 'node:http2'

/** What a node:http2 client saw of one answer. */
export interface H2Answer {
  readonly status: number
  readonly rawHeaders: readonly string[]
  readonly informational: readonly (readonly string[])[]
  readonly body: string
  readonly rawTrailers: readonly string[]
  readonly rstCode: number
}

/** A node:http2 client session to a loopback port. */
export class H2Client implements AsyncDisposable {
  readonly session: ClientHttp2Session
  goawayCode = -1

  constructor(port: number) {
    this.session = connect(`http://127.0.0.1:${port}`)
    this.session.on('error', () => {})
    this.session.on('goaway', (code: number) => {
      this.goawayCode = code
    })
  }

  open(
    headers: OutgoingHttpHeaders | string[],
    options?: { endStream?: boolean; waitForTrailers?: boolean },
  ): ClientHttp2Stream {
    const stream = this.session.request(headers, options)
    stream.on('error', () => {})
    return stream
  }

  /** Sends a request with an optional body and resolves when its stream has closed. */
  fetch(headers: OutgoingHttpHeaders | string[], body?: string | Buffer): Promise<H2Answer> {
    const stream = this.open(headers, { endStream: body === undefined })
    if (body !== undefined) stream.end(body)
    return collect(stream)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.destroyed) return
    const closed = new Promise<void>((resolve) => this.session.once('close', () => resolve()))
    this.session.destroy()
    await closed
  }
}

/** Reads a stream to its end; resets do not reject, see `rstCode`. */
export function collect(stream: ClientHttp2Stream): Promise<H2Answer> {
  return new Promise((resolve) => {
    let status = 0
    let rawHeaders: readonly string[] = []
    let rawTrailers: readonly string[] = []
    const informational: (readonly string[])[] = []
    const chunks: Buffer[] = []
    stream.on('headers', (_headers: unknown, _flags: number, raw: string[]) =>
      informational.push(raw),
    )
    stream.on('response', (headers: { ':status'?: number }, _flags: number, raw: string[]) => {
      status = headers[':status'] ?? 0
      rawHeaders = raw
    })
    stream.on('trailers', (_headers: unknown, _flags: number, raw: string[]) => {
      rawTrailers = raw
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', () => {})
    stream.on('close', () => {
      const body = Buffer.concat(chunks).toString()
      resolve({
        status,
        rawHeaders,
        informational,
        body,
        rawTrailers,
        rstCode: stream.rstCode ?? 0,
      })
    })
  })
}

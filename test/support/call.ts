import { type IncomingHttpHeaders, request, type RequestOptions } from 'node:http'
import { request as secureRequest, type RequestOptions as SecureOptions } from 'node:https'
import { buffer } from 'node:stream/consumers'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly trailers: NodeJS.Dict<string>
}

export interface CallOptions {
  readonly port: number
  readonly path?: string
  readonly host?: string
  readonly method?: string
  readonly headers?: Record<string, string | string[]>
  readonly body?: string
  /** HTTPS with this authority certificate; SNI is `host`. */
  readonly ca?: string
  readonly localAddress?: string
}

/** One HTTP/1.1 request on a connection of its own. */
export function call(options: CallOptions): Promise<Answer> {
  const common: RequestOptions & SecureOptions = {
    host: '127.0.0.1',
    port: options.port,
    path: options.path ?? '/',
    method: options.method ?? 'GET',
    headers: { ...(options.host === undefined ? {} : { host: options.host }), ...options.headers },
    agent: false,
    ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    ...(options.ca === undefined ? {} : { ca: options.ca, servername: options.host ?? '' }),
  }
  return new Promise((resolve, reject) => {
    const send = options.ca === undefined ? request : secureRequest
    const sent = send(common, (response) => {
      buffer(response).then(
        (body) =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: body.toString('latin1'),
            trailers: response.trailers,
          }),
        reject,
      )
    })
    sent.on('error', reject)
    sent.end(options.body)
  })
}

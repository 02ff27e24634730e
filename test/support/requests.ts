import { Headers } from '../../src/http/headers.ts'
import { Request } from '../../src/http/request.ts'

export interface RequestSketch {
  readonly method?: string
  readonly scheme?: 'http' | 'https'
  readonly authority?: string
  /** Path with query. */
  readonly target?: string
  /** name, value, name, value; names lower-case. */
  readonly headers?: readonly string[]
  readonly bodyLength?: number
  readonly upgrade?: string | null
  readonly expectsContinue?: boolean
}

/** A request as the wire would hand it on; `GET http://example.com/` unless told otherwise. */
export function requestOf(sketch: RequestSketch = {}): Request {
  const target = sketch.target ?? '/'
  const question = target.indexOf('?')
  return new Request({
    protocol: 'HTTP/1.1',
    method: sketch.method ?? 'GET',
    scheme: sketch.scheme ?? 'http',
    authority: sketch.authority ?? 'example.com',
    path: question === -1 ? target : target.slice(0, question),
    query: question === -1 ? '' : target.slice(question),
    headers: new Headers([...(sketch.headers ?? [])]),
    bodyLength: sketch.bodyLength ?? 0,
    upgrade: sketch.upgrade ?? null,
    expectsContinue: sketch.expectsContinue ?? false,
    absoluteForm: false,
  })
}

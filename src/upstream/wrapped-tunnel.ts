import { Headers } from '../http/headers.ts'
import { UNKNOWN_LENGTH } from '../http/request.ts'
import type { UpstreamFailure } from './failure.ts'
import { failure } from './failures.ts'
import type {
  UpstreamAttempt,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamStream,
} from './transport.ts'

/** DestinationRule trafficPolicy.tunnel: raw bytes go through the destination, an HTTP proxy. */
export interface TunnelPlan {
  readonly method: 'CONNECT' | 'POST'
  /** `host:port` that the proxy is asked for. */
  readonly authority: string
}

/** The request that opens a tunnel through the destination. */
export function tunnelRequest({ method, authority }: TunnelPlan, secure: boolean): UpstreamRequest {
  return {
    method,
    scheme: secure ? 'https' : 'http',
    authority,
    target: '/',
    headers: new Headers(),
    bodyLength: method === 'POST' ? UNKNOWN_LENGTH : 0,
    upgrade: null,
    expectsContinue: false,
    clientHttp2: false,
  }
}

/**
 * A raw tunnel inside an HTTP exchange: shows its handler the tunnel once the proxy agreed (2xx),
 * and a failed connect when it did not, or said nothing in time.
 */
export class WrappedTunnel implements UpstreamHandler, UpstreamAttempt {
  readonly #handler: UpstreamHandler
  readonly #timer: NodeJS.Timeout
  #attempt: (UpstreamAttempt & { readonly remote: string }) | null
  #stream: UpstreamStream | null
  #open: boolean
  #over: boolean

  constructor(handler: UpstreamHandler, answerTimeoutMs: number) {
    this.#handler = handler
    this.#attempt = null
    this.#stream = null
    this.#open = false
    this.#over = false
    this.#timer = setTimeout(timeOut, answerTimeoutMs, this)
  }

  /** `attempt`: of the request, with this as its handler. */
  begin(attempt: UpstreamAttempt & { readonly remote: string }): this {
    this.#attempt = attempt
    return this
  }

  /** Of the proxy. */
  get remote(): string {
    return this.#stream?.remote ?? this.#attempt?.remote ?? ''
  }

  abort(): void {
    if (this.#over) return
    this.#finish()
    this.#attempt?.abort()
  }

  /** The proxy did not answer. */
  timeOut(): void {
    this.#refuse(failure('connect-timeout', 'the proxy did not answer the tunnel request'))
  }

  onUpstreamReady(stream: UpstreamStream): void {
    this.#stream = stream
  }

  onUpstreamInformational(): void {}

  onUpstreamHead(status: number): void {
    if (this.#over) return
    if (status < 200 || status > 299) {
      this.#refuse(failure('connect-error', `the proxy refused the tunnel: status ${status}`))
      return
    }
    clearTimeout(this.#timer)
    this.#open = true
    this.#handler.onUpstreamReady(this.#stream!)
  }

  onUpstreamBody(chunk: Buffer): void {
    if (!this.#over) this.#handler.onUpstreamBody(chunk)
  }

  onUpstreamEnd(): void {
    if (!this.#over) this.#handler.onUpstreamEnd(null)
  }

  onUpstreamDrain(): void {
    if (!this.#over && this.#open) this.#handler.onUpstreamDrain()
  }

  onUpstreamFailure(reason: UpstreamFailure): void {
    if (this.#over) return
    this.#finish()
    const broken = !this.#open && reason.flag === 'UC'
    const lost = 'the proxy closed the connection before it answered the tunnel request'
    this.#handler.onUpstreamFailure(broken ? failure('connect-error', lost, reason.cause) : reason)
  }

  #refuse(reason: UpstreamFailure): void {
    if (this.#over) return
    this.#finish()
    this.#attempt?.abort()
    this.#handler.onUpstreamFailure(reason)
  }

  #finish(): void {
    this.#over = true
    clearTimeout(this.#timer)
  }
}

function timeOut(tunnel: WrappedTunnel): void {
  tunnel.timeOut()
}

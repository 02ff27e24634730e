import { Headers } from '../../src/http/headers.ts'
import type { UpstreamFailure } from '../../src/upstream/failure.ts'
import type {
  UpstreamAttempt,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamStream,
} from '../../src/upstream/transport.ts'

export function upstreamRequest(init: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'web.test',
    target: '/',
    headers: new Headers(),
    bodyLength: 0,
    upgrade: null,
    expectsContinue: false,
    clientHttp2: false,
    ...init,
  }
}

/** How one attempt ended: an answer, or a failure. */
export interface Outcome {
  readonly status: number
  readonly body: string
  readonly failure: UpstreamFailure | null
  readonly remote: string
  readonly reused: boolean
}

/** Makes one attempt and remembers what its handler was told. */
export class UpstreamCall implements UpstreamHandler {
  readonly done: Promise<Outcome>
  readonly attempt: UpstreamAttempt
  stream: UpstreamStream | null = null
  status = 0
  body = ''
  failure: UpstreamFailure | null = null
  /** Callbacks in the order they came. */
  readonly callbacks: string[] = []
  readonly #resolve: (outcome: Outcome) => void
  #starting = true

  constructor(start: (handler: UpstreamHandler) => UpstreamAttempt) {
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    this.done = promise
    this.#resolve = resolve
    this.attempt = start(this)
    this.#starting = false
  }

  get over(): boolean {
    return this.callbacks.includes('end') || this.failure !== null
  }

  onUpstreamReady(stream: UpstreamStream): void {
    this.callbacks.push('ready')
    this.stream = stream
  }

  onUpstreamInformational(): void {
    this.#note('informational')
  }

  onUpstreamHead(status: number): void {
    this.#note('head')
    this.status = status
  }

  onUpstreamBody(chunk: Buffer): void {
    this.#note('body')
    this.body += chunk.toString('latin1')
  }

  onUpstreamEnd(): void {
    this.#note('end')
    this.#settle()
  }

  onUpstreamDrain(): void {
    this.#note('drain')
  }

  onUpstreamFailure(failure: UpstreamFailure): void {
    this.#note('failure')
    this.failure = failure
    this.#settle()
  }

  #note(callback: string): void {
    if (this.#starting) throw new Error(`${callback} within the call that started the attempt`)
    this.callbacks.push(callback)
  }

  #settle(): void {
    this.#resolve({
      status: this.status,
      body: this.body,
      failure: this.failure,
      remote: this.stream === null ? '' : this.stream.remote,
      reused: this.stream !== null && this.stream.reused,
    })
  }
}

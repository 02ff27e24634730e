import type { Socket } from 'node:net'
import { Headers } from '../http/headers.ts'
import { RepeatedHeads } from '../http/repeated-head.ts'
import { UNKNOWN_LENGTH } from '../http/request.ts'
import { Dial, type DialLimits, type DialListener, type DialTarget } from './dial.ts'
import type { UpstreamFailure } from './failure.ts'
import { GRPC_HEALTH_PATH, healthAnswerProblem, healthRequest } from './grpc-health.ts'
import { H1Connection } from './h1-connection.ts'
import { H1Settings } from './h1-settings.ts'
import { H2Connection } from './h2-connection.ts'
import { H2ConnectionSettings } from './h2-connection-settings.ts'
import type { ProbeQuestion } from './probe-question.ts'
import type {
  AttemptObserver,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamStream,
} from './transport.ts'

const USER_AGENT = 'tidegate-health-check'
/** An answer to a gRPC check is a few bytes; a longer one is none. */
export const MAX_ANSWER_BYTES = 1_024

const H1_SETTINGS = new H1Settings()
const H2_SETTINGS = new H2ConnectionSettings()

/** Nobody counts what a probe does: it is no request of a client. */
const UNSEEN: AttemptObserver = {
  onAttemptStart() {},
  onAttemptStatus() {},
  onAttemptFailure() {},
  onAttemptEnd() {},
}
const UNOWNED = {
  heads: new RepeatedHeads(),
  onConnectionIdle() {},
  onConnectionStreamFreed() {},
  onConnectionDraining() {},
  onConnectionClosed() {},
}

/** How a probe ended: `problem` '' means well; `network`: there was no answer to judge. */
export interface ProbeListener {
  onProbeEnd(problem: string, network: boolean): void
}

/**
 * One question to one endpoint on a connection of its own, under one timer. The listener is told
 * once, later than the constructor, unless the probe is aborted.
 */
export class Probe implements DialListener, UpstreamHandler {
  readonly #question: ProbeQuestion
  readonly #scheme: 'http' | 'https'
  readonly #listener: ProbeListener
  readonly #timer: NodeJS.Timeout
  readonly #dial: Dial
  #connection: H1Connection | H2Connection | null
  #answer: Buffer[]
  #answerBytes: number
  #grpcStatus: string | null
  #over: boolean

  constructor(
    target: DialTarget,
    question: ProbeQuestion,
    limits: DialLimits,
    listener: ProbeListener,
  ) {
    this.#question = question
    this.#scheme = target.tls === null ? 'http' : 'https'
    this.#listener = listener
    this.#connection = null
    this.#answer = []
    this.#answerBytes = 0
    this.#grpcStatus = null
    this.#over = false
    this.#timer = setTimeout(timeOut, limits.connectTimeoutMs, this, limits.connectTimeoutMs)
    this.#dial = new Dial(target, limits, this)
  }

  /** Gives up. No callback follows. */
  abort(): void {
    this.#over = true
    clearTimeout(this.#timer)
    this.#dial.abort()
    this.#connection?.close()
  }

  onDialConnected(socket: Socket): void {
    const question = this.#question
    if (question.kind === 'tcp') {
      socket.on('error', ignore)
      socket.destroy()
      this.#end('', false)
      return
    }
    const connection =
      question.kind === 'grpc' || question.http2
        ? new H2Connection(socket, H2_SETTINGS, UNOWNED)
        : new H1Connection(socket, H1_SETTINGS, UNOWNED)
    this.#connection = connection
    connection.start(requestOf(question, this.#scheme), this, UNSEEN)
  }

  onDialFailed(failure: UpstreamFailure): void {
    this.#end(failure.transportReason || failure.resetReason, true)
  }

  onUpstreamReady(stream: UpstreamStream): void {
    if (this.#question.kind !== 'grpc') return
    stream.sendBody(healthRequest(this.#question.service))
    stream.sendEnd(null)
  }

  onUpstreamInformational(): void {}

  onUpstreamHead(status: number, headers: Headers): void {
    const question = this.#question
    if (question.kind === 'http') {
      const good = question.statuses.some(([from, to]) => status >= from && status <= to)
      this.#end(good ? '' : `status ${status}`, false)
    } else if (status !== 200) this.#end(`status ${status}`, false)
    else this.#grpcStatus = headers.get('grpc-status')
  }

  onUpstreamBody(chunk: Buffer): void {
    this.#answerBytes += chunk.length
    if (this.#answerBytes > MAX_ANSWER_BYTES) this.#end('the answer is too long', false)
    else this.#answer.push(Buffer.from(chunk))
  }

  onUpstreamEnd(trailers: Headers | null): void {
    const status = trailers?.get('grpc-status') ?? this.#grpcStatus ?? 'missing'
    if (status !== '0') this.#end(`grpc-status ${status}`, false)
    else this.#end(healthAnswerProblem(Buffer.concat(this.#answer)), false)
  }

  onUpstreamDrain(): void {}

  onUpstreamFailure(failure: UpstreamFailure): void {
    this.#end(failure.resetReason, true)
  }

  /** For the timer only. */
  timeOut(afterMs: number): void {
    this.#end(`no answer within ${afterMs} ms`, true)
  }

  #end(problem: string, network: boolean): void {
    if (this.#over) return
    this.abort()
    this.#listener.onProbeEnd(problem, network)
  }
}

function requestOf(
  question: Exclude<ProbeQuestion, { kind: 'tcp' }>,
  scheme: 'http' | 'https',
): UpstreamRequest {
  const isGrpc = question.kind === 'grpc'
  const headers = new Headers(['user-agent', USER_AGENT])
  if (isGrpc) {
    headers.add('content-type', 'application/grpc')
    headers.add('te', 'trailers')
  }
  return {
    method: isGrpc ? 'POST' : 'GET',
    scheme,
    authority: question.host,
    target: isGrpc ? GRPC_HEALTH_PATH : question.path,
    headers,
    bodyLength: isGrpc ? UNKNOWN_LENGTH : 0,
    upgrade: null,
    expectsContinue: false,
    clientHttp2: false,
  }
}

function timeOut(probe: Probe, afterMs: number): void {
  probe.timeOut(afterMs)
}

function ignore(): void {}

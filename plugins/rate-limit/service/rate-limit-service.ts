import type { ServiceError } from '@grpc/grpc-js'
import { Breaker } from '../breaker.ts'
import { Deadline, Deadlines } from '../../../src/base/deadlines.ts'
import type { Log } from '../redis-store.ts'
import { decodeResponse, type ServiceResponse } from '../wire/response-message.ts'
import { type OpenCall, ServiceClient, type ServiceEndpoint } from './service-client.ts'

/** Who waits for an answer. One of the two is called, once, unless the question is given up. */
export interface Asking {
  answered(response: ServiceResponse): void
  /** No answer in time, an error, or bytes that are none. */
  failed(): void
}

/** Requests that may wait for one service at once; more are decided as if it were away. */
const MAX_OPEN = 5000

/** gRPC codes of a service that is away or too slow; others are answers of one that works. */
const UNAVAILABLE = 14
const DEADLINE_EXCEEDED = 4

/** One question on its way, with the time it may take. */
export class Question extends Deadline {
  readonly #service: RateLimitService
  readonly #asking: Asking
  #call: OpenCall | null = null
  #settled = false

  constructor(service: RateLimitService, asking: Asking) {
    super()
    this.#service = service
    this.#asking = asking
  }

  begin(call: OpenCall): void {
    this.#call = call
  }

  done(error: ServiceError | null, answer: Buffer | undefined): void {
    if (this.#settled) return
    this.#settle()
    const response = error === null && answer !== undefined ? decodeResponse(answer) : null
    if (response !== null) {
      this.#service.noteAnswer()
      this.#asking.answered(response)
      return
    }
    if (error !== null) this.#service.noteError(error)
    this.#asking.failed()
  }

  override expire(): void {
    if (this.#settled) return
    this.#settle()
    this.#call?.cancel()
    this.#service.noteLate()
    this.#asking.failed()
  }

  /** Nobody wants to know any more: neither `answered` nor `failed` follows. */
  giveUp(): void {
    if (this.#settled) return
    this.#settle()
    this.#call?.cancel()
  }

  #settle(): void {
    this.#settled = true
    this.#service.release(this)
  }
}

/**
 * One external rate limit service (RateLimitService v3 over gRPC without TLS). Outlives snapshots;
 * while it is known to be away, requests do not wait for it.
 */
export class RateLimitService {
  readonly name: string
  readonly #endpoint: ServiceEndpoint
  readonly #log: Log
  readonly #breaker: Breaker
  readonly #deadlines = new Deadlines()
  #client: ServiceClient | null = null
  #open = 0
  /** A failure was noted in this turn of the event loop: those that come along are the same. */
  #failing = false
  #lastError = ''
  /** No configuration names it any more: it is left when the last answer is in. */
  #retired = false

  /** Connects when it is told to, or when it is first asked. */
  constructor(name: string, endpoint: ServiceEndpoint, log: Log) {
    this.name = name
    this.#endpoint = endpoint
    this.#log = log
    this.#breaker = new Breaker(
      () => this.#connected().probe(),
      (open) => this.#changed(open),
    )
  }

  /** False: requests are decided without it. */
  get available(): boolean {
    return !this.#breaker.isOpen
  }

  connect(): void {
    this.#retired = false
    this.#connected().connect()
  }

  /** null: it cannot be asked now; otherwise `asking` hears, never before this returned. */
  ask(request: Buffer, timeoutMs: number, asking: Asking): Question | null {
    if (this.#breaker.isOpen || this.#open >= MAX_OPEN) return null
    const question = new Question(this, asking)
    this.#open++
    this.#deadlines.start(question, timeoutMs)
    question.begin(
      this.#connected().shouldRateLimit(request, timeoutMs, (error, answer) =>
        question.done(error, answer),
      ),
    )
    return question
  }

  retire(): void {
    this.#retired = true
    this.#breaker.reset()
    this.#leaveWhenIdle()
  }

  /** Ends the connections; requests that wait are decided without the service. */
  close(): void {
    this.#retired = true
    this.#breaker.close()
    this.#deadlines.expireAll()
    this.#leaveWhenIdle()
  }

  noteAnswer(): void {
    this.#breaker.succeeded()
  }

  noteError(error: ServiceError): void {
    this.#lastError = error.details
    if (error.code === UNAVAILABLE || error.code === DEADLINE_EXCEEDED) this.#fail()
  }

  noteLate(): void {
    this.#lastError = 'no answer in time'
    this.#fail()
  }

  release(question: Question): void {
    this.#open--
    this.#deadlines.cancel(question)
    if (this.#retired) this.#leaveWhenIdle()
  }

  #fail(): void {
    if (this.#failing) return
    this.#failing = true
    setImmediate(() => (this.#failing = false))
    this.#breaker.failed()
  }

  #connected(): ServiceClient {
    this.#client ??= new ServiceClient(this.#endpoint)
    return this.#client
  }

  #leaveWhenIdle(): void {
    if (this.#open > 0) return
    this.#client?.close()
    this.#client = null
  }

  #changed(open: boolean): void {
    if (this.#retired) return
    if (open) {
      this.#log(
        'error',
        `rate limit service ${this.name} does not answer (${this.#lastError}): ` +
          'requests are decided by failure_mode_deny',
      )
    } else this.#log('info', `rate limit service ${this.name} answers again`)
  }
}

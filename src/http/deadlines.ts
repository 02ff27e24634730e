import type { Socket } from 'node:net'
import type { HttpSettings } from './http-settings.ts'
import {
  EXCHANGE_TOO_LONG,
  type Refusal,
  REQUEST_TIMEOUT,
  SILENT_ANSWER,
  SILENT_REQUEST,
} from './refusal.ts'
import { deliveredBytes } from './socket-progress.ts'
import type { Timed, TimerWheel } from './timer-wheel.ts'

/** What a connection does when one of its times is up. */
export interface DeadlineOwner {
  readonly exchange: MovingExchange | null
  /** Idle, slow head, silent tunnel, lingering: whatever the connection waits for. */
  onPhaseTimeout(): void
  /** The exchange, or the rest of its request, takes too long. */
  onExchangeTimeout(refusal: Refusal): void
  /** The client took no byte of what waits for it. */
  onWriteStall(): void
}

interface MovingExchange {
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly headSent: boolean
  readonly ended: boolean
}

/** Looks at a silent exchange within one idle timeout: so accurate is the timeout. */
const IDLE_CHECKS = 4
/** A connection ends at an age of this part of the limit, or up to all of it. */
const LEAST_AGE = 0.9

/** The deadlines of one server connection, as one entry of the wheel. */
export class Deadlines implements Timed {
  deadlineMs = Infinity
  wheelTick = -1
  wheelPlace = 0

  readonly #wheel: TimerWheel
  readonly #owner: DeadlineOwner
  readonly #socket: Socket
  readonly #settings: HttpSettings
  readonly #tooOldAtMs: number
  #phaseMs = Infinity
  #requestMs = Infinity
  #durationMs = Infinity
  #stallMs = Infinity
  /** What had moved at the last look, and how many looks saw no change; -1: nobody looks. */
  #movedBytes = 0
  #silentChecks = -1
  #owesRequest = false
  #deliveredBytes = 0

  constructor(wheel: TimerWheel, owner: DeadlineOwner, socket: Socket, settings: HttpSettings) {
    this.#wheel = wheel
    this.#owner = owner
    this.#socket = socket
    this.#settings = settings
    const age = LEAST_AGE + (1 - LEAST_AGE) * Math.random()
    this.#tooOldAtMs = wheel.nowMs + settings.maxAgeMs * age
  }

  /** The connection takes no further request. */
  get tooOld(): boolean {
    return this.#wheel.nowMs >= this.#tooOldAtMs
  }

  setPhase(delayMs: number): void {
    this.#silentChecks = -1
    this.#phaseMs = this.#wheel.nowMs + delayMs
    this.#rearm()
  }

  /** Between two requests. One that is too old stays open for what may be on its way. */
  setIdle(idleMs: number): void {
    const left = Math.max(0, this.#tooOldAtMs - this.#wheel.nowMs)
    this.setPhase(Math.min(idleMs, left + this.#settings.drainTimeoutMs))
  }

  /** The head of a request is complete. */
  beginExchange(hasBody: boolean): void {
    const { requestTimeoutMs, maxStreamDurationMs } = this.#settings
    const now = this.#wheel.nowMs
    this.#movedBytes = 0
    this.#silentChecks = 0
    this.#phaseMs = now + this.#settings.streamIdleTimeoutMs / IDLE_CHECKS
    this.#owesRequest = hasBody
    this.#requestMs = hasBody ? now + requestTimeoutMs : Infinity
    this.#durationMs = now + maxStreamDurationMs
    this.#rearm()
  }

  /** The request arrived whole. */
  endRequest(): void {
    this.#owesRequest = false
    this.#requestMs = Infinity
    this.#rearm()
  }

  /** The exchange is over; a phase is set next. */
  endExchange(): void {
    this.#requestMs = Infinity
    this.#durationMs = Infinity
  }

  /** Output waits for the client: from now on it must take some of it every while. */
  startStall(): void {
    if (this.#stallMs !== Infinity) return
    this.#deliveredBytes = deliveredBytes(this.#socket)
    this.#stallMs = this.#wheel.nowMs + this.#settings.writeStallTimeoutMs
    this.#rearm()
  }

  clearStall(): void {
    this.#stallMs = Infinity
    this.#rearm()
  }

  clear(): void {
    this.#phaseMs = Infinity
    this.#requestMs = Infinity
    this.#durationMs = Infinity
    this.#stallMs = Infinity
    this.#wheel.disarm(this)
  }

  onTimeout(): void {
    const now = this.#wheel.nowMs
    if (this.#stallMs <= now) this.#checkStall()
    else if (this.#durationMs <= now) this.#endRequestTime(EXCHANGE_TOO_LONG)
    else if (this.#requestMs <= now) this.#endRequestTime(REQUEST_TIMEOUT)
    else if (this.#phaseMs > now) this.#rearm()
    else if (this.#silentChecks === -1) this.#owner.onPhaseTimeout()
    else this.#checkSilence()
  }

  #endRequestTime(refusal: Refusal): void {
    this.endExchange()
    this.#owner.onExchangeTimeout(refusal)
  }

  /** 'drain' comes when all was taken: on a slow line every byte that left counts. */
  #checkStall(): void {
    const moved = deliveredBytes(this.#socket) !== this.#deliveredBytes
    this.#stallMs = Infinity
    if (moved) this.startStall()
    else this.#owner.onWriteStall()
  }

  /** An exchange may go on while bytes move in either direction. */
  #checkSilence(): void {
    const exchange = this.#owner.exchange
    if (exchange === null || exchange.ended) {
      this.#owner.onPhaseTimeout()
      return
    }
    const moved = exchange.bytesReceived + exchange.bytesSent + Number(exchange.headSent)
    if (moved !== this.#movedBytes) this.#silentChecks = 0
    else if (++this.#silentChecks >= IDLE_CHECKS) {
      this.#owner.onExchangeTimeout(this.#owesRequest ? SILENT_REQUEST : SILENT_ANSWER)
      return
    }
    this.#movedBytes = moved
    this.#phaseMs = this.#wheel.nowMs + this.#settings.streamIdleTimeoutMs / IDLE_CHECKS
    this.#rearm()
  }

  #rearm(): void {
    const until = Math.min(this.#phaseMs, this.#requestMs, this.#durationMs, this.#stallMs)
    this.#wheel.armAt(this, until === Infinity ? until : until + this.#wheel.resolutionMs)
  }
}

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
import { NEVER, type Timed, type TimerWheel } from './timer-wheel.ts'

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
  deadlineTick = NEVER
  wheelTick = -1
  wheelPlace = 0

  readonly #wheel: TimerWheel
  readonly #owner: DeadlineOwner
  readonly #socket: Socket
  readonly #settings: HttpSettings
  readonly #tooOldTick: number
  #phaseTick = NEVER
  #requestTick = NEVER
  /** Ticks that were left of the request's time when it was stopped; -1: it is not. */
  #requestLeft = -1
  #durationTick = NEVER
  #stallTick = NEVER
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
    this.#tooOldTick = wheel.tickAfter(settings.maxAgeMs * age)
  }

  /** The connection takes no further request. */
  get tooOld(): boolean {
    return this.#wheel.tick >= this.#tooOldTick
  }

  setPhase(delayMs: number): void {
    this.#startPhase(this.#wheel.tickAfter(delayMs))
  }

  /** Between two requests. One that is too old stays open for what may be on its way. */
  setIdle(idleMs: number): void {
    const wheel = this.#wheel
    const left = Math.max(0, this.#tooOldTick - wheel.tick)
    const drained = left + wheel.tickAfter(this.#settings.drainTimeoutMs)
    this.#startPhase(Math.min(drained, wheel.tickAfter(idleMs)))
  }

  #startPhase(untilTick: number): void {
    this.#silentChecks = -1
    this.#phaseTick = untilTick
    this.#rearm()
  }

  /** The head of a request is complete. */
  beginExchange(hasBody: boolean): void {
    const { requestTimeoutMs, maxStreamDurationMs } = this.#settings
    const wheel = this.#wheel
    this.#movedBytes = 0
    this.#silentChecks = 0
    this.#phaseTick = this.#nextCheckTick()
    this.#owesRequest = hasBody
    this.#requestTick = hasBody ? wheel.tickAfter(requestTimeoutMs) : NEVER
    this.#durationTick = wheel.tickAfter(maxStreamDurationMs)
    this.#rearm()
  }

  /**
   * The gateway itself reads no more of the request, and its client is not at fault for that: the
   * time stands still. The wheel may still look once at the old tick.
   */
  stopRequestTime(): void {
    if (this.#requestTick === NEVER) return
    this.#requestLeft = Math.max(0, this.#requestTick - this.#wheel.tick)
    this.#requestTick = NEVER
  }

  /** It is read again, for as long as was left. */
  resumeRequestTime(): void {
    if (this.#requestLeft === -1) return
    this.#requestTick = this.#wheel.tick + this.#requestLeft
    this.#requestLeft = -1
    this.#rearm()
  }

  /** The request arrived whole. */
  endRequest(): void {
    this.#owesRequest = false
    this.#requestTick = NEVER
    this.#requestLeft = -1
    this.#rearm()
  }

  /** The exchange is over; a phase is set next. */
  endExchange(): void {
    this.#requestTick = NEVER
    this.#durationTick = NEVER
  }

  /** Output waits for the client: from now on it must take some of it every while. */
  startStall(): void {
    if (this.#stallTick !== NEVER) return
    this.#deliveredBytes = deliveredBytes(this.#socket)
    this.#stallTick = this.#wheel.tickAfter(this.#settings.writeStallTimeoutMs)
    this.#rearm()
  }

  clearStall(): void {
    this.#stallTick = NEVER
    this.#rearm()
  }

  clear(): void {
    this.#phaseTick = NEVER
    this.#requestTick = NEVER
    this.#durationTick = NEVER
    this.#stallTick = NEVER
    this.#wheel.disarm(this)
  }

  onTimeout(): void {
    const now = this.#wheel.tick
    if (this.#stallTick <= now) this.#checkStall()
    else if (this.#durationTick <= now) this.#endRequestTime(EXCHANGE_TOO_LONG)
    else if (this.#requestTick <= now) this.#checkRequest()
    else if (this.#phaseTick > now) this.#rearm()
    else if (this.#silentChecks === -1) this.#owner.onPhaseTimeout()
    else this.#checkSilence()
  }

  /** An answer that has begun may go on beside its request, as with Envoy's request_timeout. */
  #checkRequest(): void {
    this.#requestTick = NEVER
    if (this.#owner.exchange?.headSent === true) this.#rearm()
    else this.#endRequestTime(REQUEST_TIMEOUT)
  }

  #endRequestTime(refusal: Refusal): void {
    this.endExchange()
    this.#owner.onExchangeTimeout(refusal)
  }

  /** 'drain' comes when all was taken: on a slow line every byte that left counts. */
  #checkStall(): void {
    const moved = deliveredBytes(this.#socket) !== this.#deliveredBytes
    this.#stallTick = NEVER
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
    this.#phaseTick = this.#nextCheckTick()
    this.#rearm()
  }

  #nextCheckTick(): number {
    return this.#wheel.tickAfter(this.#settings.streamIdleTimeoutMs / IDLE_CHECKS)
  }

  #rearm(): void {
    const exchangeTick = Math.min(this.#requestTick, this.#durationTick, this.#stallTick)
    this.#wheel.armAt(this, Math.min(this.#phaseTick, exchangeTick))
  }
}

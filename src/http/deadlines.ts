import type { Timed, TimerWheel } from './timer-wheel.ts'

/** What a connection does when one of its times is up. */
export interface DeadlineOwner {
  /** Idle, slow head, lingering or silent tunnel: whatever the connection waits for. */
  onPhaseTimeout(): void
  /** The request did not arrive whole in time. */
  onRequestTimeout(): void
  /** The client does not read its answer. */
  onWriteStall(): void
}

/** The three deadlines of one server connection, as one entry of the wheel. */
export class Deadlines implements Timed {
  deadlineMs = Infinity
  wheelTick = -1

  readonly #wheel: TimerWheel
  readonly #owner: DeadlineOwner
  #phaseMs = Infinity
  #requestMs = Infinity
  #stallMs = Infinity

  constructor(wheel: TimerWheel, owner: DeadlineOwner) {
    this.#wheel = wheel
    this.#owner = owner
  }

  setPhase(delayMs: number): void {
    this.#phaseMs = this.#wheel.nowMs + delayMs
    this.#rearm()
  }

  /** The head is complete; its body, if any, has `requestTimeoutMs`, or Infinity without one. */
  setRequest(requestTimeoutMs: number): void {
    this.#phaseMs = Infinity
    this.#requestMs = this.#wheel.nowMs + requestTimeoutMs
    this.#rearm()
  }

  clearRequest(): void {
    this.#requestMs = Infinity
    this.#rearm()
  }

  /** Starts unless it is running: only progress (clearStall) starts it anew. */
  startStall(delayMs: number): void {
    if (this.#stallMs !== Infinity) return
    this.#stallMs = this.#wheel.nowMs + delayMs
    this.#rearm()
  }

  clearStall(): void {
    this.#stallMs = Infinity
    this.#rearm()
  }

  clear(): void {
    this.#phaseMs = Infinity
    this.#requestMs = Infinity
    this.#stallMs = Infinity
    this.#wheel.disarm(this)
  }

  onTimeout(): void {
    const now = this.#wheel.nowMs
    if (this.#stallMs <= now) this.#owner.onWriteStall()
    else if (this.#requestMs <= now) this.#owner.onRequestTimeout()
    else if (this.#phaseMs <= now) this.#owner.onPhaseTimeout()
    else this.#rearm()
  }

  #rearm(): void {
    const until = Math.min(this.#phaseMs, this.#requestMs, this.#stallMs)
    this.#wheel.armAt(this, until === Infinity ? until : until + this.#wheel.resolutionMs)
  }
}

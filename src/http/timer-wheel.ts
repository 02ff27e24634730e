import { performance } from 'node:perf_hooks'
/** Something that one deadline at a time hangs on. Its fields belong to the wheel. */
export interface Timed {
  /** Time of the wheel at which onTimeout is called; Infinity for never. */
  deadlineMs: number
  /** Tick at which the wheel looks at it next, or -1; its place in the slot of that tick. */
  wheelTick: number
  wheelPlace: number
  onTimeout(): void
}

const SLOTS = 256

/**
 * One coarse timer for any number of connections. Moving a deadline later is a field write: the
 * wheel looks again when the old one would have fired. A deadline fires up to two resolutions late.
 * What is disarmed is let go at once: a connection must not outlive itself by its idle timeout.
 *
 * `nowMs` is the wheel's own time: it advances by at most a few resolutions per tick, so a process
 * that was stopped for a minute does not time everybody out when it goes on.
 */
export class TimerWheel {
  nowMs = 0

  readonly resolutionMs: number
  /** No Sets: see Roster. */
  readonly #slots: Timed[][] = []
  readonly #interval: NodeJS.Timeout
  #tick = 0
  #lastMs: number

  constructor(resolutionMs: number = 500) {
    this.resolutionMs = resolutionMs
    for (let i = 0; i < SLOTS; i++) this.#slots.push([])
    this.#lastMs = performance.now()
    this.#interval = setInterval(() => this.#advance(), resolutionMs)
    this.#interval.unref()
  }

  /** Entries it refers to. */
  get size(): number {
    let size = 0
    for (const slot of this.#slots) size += slot.length
    return size
  }

  /** Calls `timed.onTimeout()` once, `delayMs` from now, unless it is armed again or disarmed. */
  arm(timed: Timed, delayMs: number): void {
    this.armAt(timed, this.nowMs + delayMs + this.resolutionMs)
  }

  /** As arm, at a time of the wheel. */
  armAt(timed: Timed, deadlineMs: number): void {
    timed.deadlineMs = deadlineMs
    if (deadlineMs === Infinity) return
    const tick = this.#tickOf(deadlineMs)
    if (timed.wheelTick !== -1) {
      if (timed.wheelTick <= tick) return
      this.#remove(timed)
    }
    timed.wheelTick = tick
    const slot = this.#slots[tick % SLOTS]!
    timed.wheelPlace = slot.length
    slot.push(timed)
  }

  disarm(timed: Timed): void {
    timed.deadlineMs = Infinity
    if (timed.wheelTick !== -1) this.#remove(timed)
  }

  #remove(timed: Timed): void {
    const slot = this.#slots[timed.wheelTick % SLOTS]!
    const last = slot.pop()!
    if (last !== timed) {
      slot[timed.wheelPlace] = last
      last.wheelPlace = timed.wheelPlace
    }
    timed.wheelTick = -1
  }

  close(): void {
    clearInterval(this.#interval)
    for (const slot of this.#slots) {
      for (const timed of slot) timed.wheelTick = -1
      slot.length = 0
    }
  }

  /** The first tick that is not before the deadline, within one turn of the wheel. */
  #tickOf(deadlineMs: number): number {
    const wanted = Math.ceil(deadlineMs / this.resolutionMs)
    return Math.min(Math.max(wanted, this.#tick + 1), this.#tick + SLOTS - 1)
  }

  #advance(): void {
    const realMs = performance.now()
    const elapsed = Math.round((realMs - this.#lastMs) / this.resolutionMs)
    this.#lastMs = realMs
    const steps = Math.min(Math.max(elapsed, 1), MAX_STEPS)
    for (let i = 0; i < steps; i++) {
      this.#tick++
      this.nowMs = this.#tick * this.resolutionMs
      this.#visit(this.#tick)
    }
  }

  #visit(tick: number): void {
    const slot = this.#slots[tick % SLOTS]!
    if (slot.length === 0) return
    this.#slots[tick % SLOTS] = []
    for (let i = 0; i < slot.length; i++) slot[i]!.wheelTick = -1
    for (let i = 0; i < slot.length; i++) {
      const timed = slot[i]!
      // Disarmed, or armed anew, by a callback before it.
      if (timed.deadlineMs === Infinity || timed.wheelTick !== -1) continue
      if (timed.deadlineMs <= this.nowMs) {
        timed.deadlineMs = Infinity
        timed.onTimeout()
      } else this.armAt(timed, timed.deadlineMs)
    }
  }
}

/** Ticks made up for after a late one. */
const MAX_STEPS = 4

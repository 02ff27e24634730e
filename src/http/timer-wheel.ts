import { performance } from 'node:perf_hooks'

/** Something that one deadline at a time hangs on. Its fields belong to the wheel. */
export interface Timed {
  /** Tick of the wheel at which onTimeout is called, or NEVER. */
  deadlineTick: number
  /** Tick at which the wheel looks at it next, or -1; its place in the slot of that tick. */
  wheelTick: number
  wheelPlace: number
  onTimeout(): void
}

const SLOTS = 256

/**
 * Later than any tick: seventeen years of the usual ones. Ticks are small integers, which the engine
 * keeps in the field itself; fractions and Infinity are objects, and a connection has many deadlines.
 */
export const NEVER = 2 ** 30 - 1

/**
 * One coarse timer for any number of connections. Moving a deadline later is a field write: the
 * wheel looks again when the old one would have fired. A deadline fires up to two resolutions late.
 * What is disarmed is let go at once: a connection must not outlive itself by its idle timeout.
 *
 * `tick` is the wheel's own time: it advances by at most a few steps at once, so a process that was
 * stopped for a minute does not time everybody out when it goes on.
 */
export class TimerWheel {
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

  /** Steps so far, each of `resolutionMs`. */
  get tick(): number {
    return this.#tick
  }

  /** Entries it refers to. */
  get size(): number {
    let size = 0
    for (const slot of this.#slots) size += slot.length
    return size
  }

  /** The first tick at which `delayMs` from now are over for certain. NEVER for Infinity. */
  tickAfter(delayMs: number): number {
    const steps = Math.ceil(delayMs / this.resolutionMs) + 1
    return steps < NEVER - this.#tick ? this.#tick + steps : NEVER
  }

  /** Calls `timed.onTimeout()` once, `delayMs` from now, unless it is armed again or disarmed. */
  arm(timed: Timed, delayMs: number): void {
    this.armAt(timed, this.tickAfter(delayMs))
  }

  /** As arm, at this tick. */
  armAt(timed: Timed, deadlineTick: number): void {
    timed.deadlineTick = deadlineTick
    if (deadlineTick === NEVER) return
    const tick = Math.min(Math.max(deadlineTick, this.#tick + 1), this.#tick + SLOTS - 1)
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
    timed.deadlineTick = NEVER
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

  #advance(): void {
    const realMs = performance.now()
    const elapsed = Math.round((realMs - this.#lastMs) / this.resolutionMs)
    this.#lastMs = realMs
    const steps = Math.min(Math.max(elapsed, 1), MAX_STEPS)
    for (let i = 0; i < steps; i++) {
      this.#tick++
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
      if (timed.deadlineTick === NEVER || timed.wheelTick !== -1) continue
      if (timed.deadlineTick <= this.#tick) {
        timed.deadlineTick = NEVER
        timed.onTimeout()
      } else this.armAt(timed, timed.deadlineTick)
    }
  }
}

/** Ticks made up for after a late one. */
const MAX_STEPS = 4

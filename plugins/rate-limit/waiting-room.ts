import type { RuleStats } from './stats.ts'

/** How long and how many requests of a rule may wait. */
export interface QueueSettings {
  readonly maxWaitMs: number
  /** In this process. */
  readonly maxRequests: number
}

/** When those who wait for one counter may go on. */
export interface Pace {
  /** Milliseconds until the first may. */
  readonly firstMs: number
  /** How many may go on together; Infinity: all. */
  readonly perTurn: number
  /** Milliseconds between two turns. */
  readonly turnMs: number
}

/** A request that waits for its turn. Fields belong to the room. */
export abstract class QueuedRequest {
  /** Where it stands, or stood when its turn came; null before and after. */
  lane: Lane | null = null
  /** Its place: who came first goes first, also after a turn that led to nothing. */
  order = 0
  joinedAt = 0
  deadlineAt = Number.POSITIVE_INFINITY

  /** Its turn: ends with `served`, `join` or `leave`, now or later. */
  abstract retry(): void
  /** It will not have its turn in time: `waitMs` more would be needed. It has left. */
  abstract giveUp(key: string, waitMs: number): void
}

/** Those who wait for one counter, the first in front. */
export class Lane {
  readonly key: string
  readonly owner: WaitingRoom
  readonly requests: QueuedRequest[] = []
  /** Requests whose turn it is, and of which nothing is known yet. */
  trying = 0
  /** How many fit now, as far as is known. */
  room = 0
  /** When the next may try: monotonic milliseconds. */
  wakeAt = 0
  perTurn = 1
  turnMs = 0

  constructor(key: string, owner: WaitingRoom) {
    this.key = key
    this.owner = owner
  }

  /** Milliseconds until somebody behind `ahead` others may try. */
  waitMs(ahead: number, now: number): number {
    return Math.max(0, this.wakeAt - now) + Math.floor(ahead / this.perTurn) * this.turnMs
  }
}

/** Shorter timers would come early. */
const MIN_TIMER_MS = 1

let orders = 0

/**
 * The requests of one rule that wait for a limit to admit them, first come first served for each
 * counter. One timer for all. Nobody stays who is known to come too late.
 */
export class WaitingRoom {
  readonly stats: RuleStats
  readonly #lanes = new Map<string, Lane>()
  readonly #onEmpty: () => void
  #size = 0
  #timer: NodeJS.Timeout | null = null
  #timerAt = 0
  #turning = false

  constructor(stats: RuleStats, onEmpty: () => void) {
    this.stats = stats
    this.#onEmpty = onEmpty
  }

  /** Those who wait for a counter, or null. */
  laneOf(key: string): Lane | null {
    return this.#lanes.get(key) ?? null
  }

  /** False: there is no place, or the turn would come too late. It keeps the place it had. */
  join(request: QueuedRequest, key: string, pace: Pace | null, settings: QueueSettings): boolean {
    const joined = this.#admit(request, key, pace, settings)
    if (this.#size === 0) this.#onEmpty()
    return joined
  }

  #admit(request: QueuedRequest, key: string, pace: Pace | null, settings: QueueSettings): boolean {
    const now = performance.now()
    const isNew = request.lane === null || request.lane.owner !== this
    if (isNew && this.#size >= settings.maxRequests) return false
    if (request.order === 0) {
      request.order = ++orders
      request.joinedAt = now
    }
    request.deadlineAt = Math.min(request.deadlineAt, request.joinedAt + settings.maxWaitMs)
    const lane = this.#lanes.get(key) ?? new Lane(key, this)
    if (pace !== null) {
      lane.room = 0
      setPace(lane, pace, now)
    }
    const at = placeOf(lane, request)
    const trying = lane.trying - (request.lane === lane ? 1 : 0)
    if (now + lane.waitMs(at + trying, now) > request.deadlineAt) return false
    this.#endTurn(request)
    if (isNew) this.#enter(request)
    this.#lanes.set(key, lane)
    request.lane = lane
    lane.requests.splice(at, 0, request)
    if (pace !== null) this.#prune(lane, now)
    this.#arm()
    return true
  }

  /** The request goes on. `more` others fit now; `pace` tells when the next one does. */
  served(request: QueuedRequest, more: number, pace: Pace): void {
    const { lane } = request
    this.leave(request)
    if (lane === null) return
    const now = performance.now()
    setPace(lane, pace, now)
    lane.room = more
    // Answers that come at once come from inside this loop.
    if (this.#turning) return
    this.#turning = true
    while (lane.requests.length > 0 && lane.room > lane.trying) this.#turn(lane)
    this.#turning = false
    this.#prune(lane, now)
    this.#arm()
  }

  /** The request waits no more: admitted, denied or gone. */
  leave(request: QueuedRequest): void {
    const { lane } = request
    if (lane === null || lane.owner !== this) return
    const at = lane.requests.indexOf(request)
    if (at >= 0) lane.requests.splice(at, 1)
    else lane.trying--
    request.lane = null
    this.#size--
    this.stats.queued--
    this.stats.waitedMs += performance.now() - request.joinedAt
    this.#forget(lane)
    if (this.#size === 0) this.#onEmpty()
    this.#arm()
  }

  /** Nobody waits any longer: each is told how long it would have had to. */
  close(): void {
    const now = performance.now()
    for (const lane of this.#lanes.values()) {
      for (const request of lane.requests.slice()) this.#expel(lane, request, 0, now)
    }
  }

  #enter(request: QueuedRequest): void {
    request.lane?.owner.leave(request)
    this.#size++
    this.stats.queued++
    this.stats.waits++
  }

  /** It had its turn here, and that led to nothing. */
  #endTurn(request: QueuedRequest): void {
    const { lane } = request
    if (lane === null || lane.owner !== this) return
    lane.trying--
    request.lane = null
    this.#forget(lane)
  }

  #turn(lane: Lane): void {
    const request = lane.requests.shift()!
    lane.trying++
    request.retry()
  }

  /** Those who will not make it make room for others. */
  #prune(lane: Lane, now: number): void {
    for (let at = 0; at < lane.requests.length;) {
      const request = lane.requests[at]!
      const ahead = at + lane.trying
      if (now + lane.waitMs(ahead, now) <= request.deadlineAt) at++
      else this.#expel(lane, request, ahead, now)
    }
  }

  #expel(lane: Lane, request: QueuedRequest, ahead: number, now: number): void {
    const waitMs = lane.waitMs(ahead, now)
    this.leave(request)
    request.giveUp(lane.key, waitMs)
  }

  #forget(lane: Lane): void {
    if (lane.requests.length > 0 || lane.trying > 0) return
    if (this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key)
  }

  #arm(): void {
    let next = Number.POSITIVE_INFINITY
    for (const { requests, trying, wakeAt } of this.#lanes.values()) {
      const first = requests[0]
      if (first === undefined) continue
      next = Math.min(next, first.deadlineAt, trying > 0 ? next : wakeAt)
    }
    if (this.#timer !== null) {
      if (this.#timerAt === next) return
      clearTimeout(this.#timer)
      this.#timer = null
    }
    if (next === Number.POSITIVE_INFINITY) return
    this.#timerAt = next
    const delayMs = Math.max(MIN_TIMER_MS, Math.ceil(next - performance.now()))
    this.#timer = setTimeout(() => this.#wake(), delayMs).unref()
  }

  #wake(): void {
    this.#timer = null
    const now = performance.now()
    // Lanes come and go meanwhile: those of this moment are meant.
    const lanes = Array.from(this.#lanes.values())
    for (const lane of lanes) {
      this.#prune(lane, now)
      if (lane.trying > 0 || lane.wakeAt > now) continue
      for (let all = lane.turnMs === 0 ? lane.requests.length : 1; all > 0; all--) {
        if (lane.requests.length > 0) this.#turn(lane)
      }
    }
    this.#arm()
  }
}

function setPace(lane: Lane, { firstMs, perTurn, turnMs }: Pace, now: number): void {
  lane.wakeAt = now + firstMs
  lane.perTurn = perTurn
  lane.turnMs = turnMs
}

/** Behind all who came before it. */
function placeOf({ requests }: Lane, { order }: QueuedRequest): number {
  let at = requests.length
  while (at > 0 && requests[at - 1]!.order > order) at--
  return at
}

/** The rooms of all rules, by their labels: they outlive configuration changes. */
export class WaitingRooms {
  readonly #rooms = new Map<string, WaitingRoom>()

  /** The room of a rule in which somebody waits, or null. */
  occupied(label: string): WaitingRoom | null {
    return this.#rooms.size === 0 ? null : (this.#rooms.get(label) ?? null)
  }

  open(label: string, stats: RuleStats): WaitingRoom {
    let room = this.#rooms.get(label)
    if (room === undefined) {
      room = new WaitingRoom(stats, () => this.#rooms.delete(label))
      this.#rooms.set(label, room)
    }
    return room
  }

  close(): void {
    for (const room of this.#rooms.values()) room.close()
  }
}

/** Counts per window, aligned to the epoch: up to twice the limit around an edge. */
export const FIXED_WINDOW = 0
/** No window of that length, wherever it begins, admits more than the limit. */
export const SLIDING_WINDOW = 1
/** Generic cell rate: `burst` at once, then the limit spread evenly over the period. */
export const GCRA = 2
/** No counter: closed until a moment (Redis only). `burst` milliseconds from now, 0 looks. */
export const GATE = 4
export type Algorithm = typeof FIXED_WINDOW | typeof SLIDING_WINDOW | typeof GCRA | typeof GATE

/** A sliding window is counted in this many slices; a slice counts until the whole of it is out. */
export const SLICES = 20

/** How much is admitted, and how it is counted. */
export interface Quota {
  readonly algorithm: Algorithm
  /** Units admitted per period. 0 bans (FIXED_WINDOW only). */
  readonly limit: number
  /** Milliseconds, whole. */
  readonly periodMs: number
  /** Units admitted at once (GCRA); otherwise as `limit`. */
  readonly burst: number
  /** Units that may be taken ahead and spent without asking (FIXED_WINDOW only); absent: none. */
  readonly lease?: number
}

/** One counter that a request meets: the question to a store, and its answer. */
export class LimitCheck {
  /** Names the counter; holds no client data. One key is always asked with one algorithm. */
  readonly key: string
  readonly quota: Quota
  /** Units this request takes; 0 looks. */
  readonly cost: number
  /** False: counted, but its refusal keeps nobody out (shadow). */
  readonly enforces: boolean
  /** The request does not fit. */
  over: boolean
  /** Units left behind this request. */
  remaining: number
  /** Milliseconds until the same request would fit; 0 when it does now. */
  retryMs: number
  /** Milliseconds until the whole quota is there again (FIXED_WINDOW: until the window ends). */
  resetMs: number
  /** When Redis counted it, in microseconds on its clock; 0: elsewhere. */
  countedAtUs: number

  constructor(key: string, quota: Quota, cost: number, enforces: boolean) {
    this.key = key
    this.quota = quota
    this.cost = cost
    this.enforces = enforces
    this.over = false
    this.remaining = 0
    this.retryMs = 0
    this.resetMs = 0
    this.countedAtUs = 0
  }

  answer(over: boolean, remaining: number, retryMs: number, resetMs: number): void {
    this.over = over
    this.remaining = Math.max(0, remaining)
    this.retryMs = over ? retryMs : 0
    this.resetMs = resetMs
    this.countedAtUs = 0
  }
}

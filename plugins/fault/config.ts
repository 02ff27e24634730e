import { parseDurationMs } from '../../src/base/duration.ts'
import { GRPC_CODES } from '../../src/base/grpc-code.ts'
import { Share } from './share.ts'

/** VirtualService.http.fault as configuration hands it over: its shape and values are checked there. */
export interface FaultSetting {
  readonly delay?: {
    readonly percent?: number
    readonly fixedDelay?: string
    readonly percentage?: Percentage
  }
  readonly abort?: {
    readonly httpStatus?: number
    readonly grpcStatus?: string
    readonly percentage?: Percentage
  }
}

interface Percentage {
  readonly value?: number
}

/** `delay`: how long, and for which share of requests. */
export interface DelayPlan {
  readonly delayMs: number
  readonly share: Share
}

/** `abort`: with which status, and for which share of requests. */
export interface AbortPlan {
  /** 200 with a gRPC status. */
  readonly httpStatus: number
  /** The code in decimal, or null: a gRPC request gets the one that stands for `httpStatus`. */
  readonly grpcCode: string | null
  readonly share: Share
}

/** What is done to the requests of one route; null: nothing of that kind. */
export interface FaultPlan {
  readonly delay: DelayPlan | null
  readonly abort: AbortPlan | null
}

/** The longest wait a timer can be set to, about 24.8 days. Longer delays wait that long. */
export const MAX_DELAY_MS = 2 ** 31 - 1

/** null: no request is ever meant. */
export function readFault(setting: FaultSetting): FaultPlan | null {
  const delay = readDelay(setting.delay)
  const abort = readAbort(setting.abort)
  return delay === null && abort === null ? null : { delay, abort }
}

function readDelay(delay: FaultSetting['delay']): DelayPlan | null {
  if (delay === undefined) return null
  const { percentage, percent = 0 } = delay
  const share = new Share(percentage === undefined ? percent : (percentage.value ?? 0))
  const ms = parseDurationMs(delay.fixedDelay ?? '') ?? 0
  if (share.isNever || ms <= 0) return null
  return { delayMs: Math.min(Math.ceil(ms), MAX_DELAY_MS), share }
}

function readAbort(abort: FaultSetting['abort']): AbortPlan | null {
  if (abort === undefined) return null
  const share = new Share(abort.percentage?.value ?? 0)
  if (share.isNever) return null
  const { httpStatus, grpcStatus } = abort
  if (httpStatus !== undefined) return { httpStatus, grpcCode: null, share }
  const code = GRPC_CODES.get(grpcStatus ?? '')
  return code === undefined ? null : { httpStatus: 200, grpcCode: String(code), share }
}

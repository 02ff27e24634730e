import type { Random } from '../../src/base/random.ts'
import {
  ANSWERED,
  CONTINUE,
  type Filter,
  type FilterExchange,
  type Verdict,
  WAIT,
  type Waiter,
} from '../../src/filters/filter.ts'
import { Headers } from '../../src/filters/headers.ts'
import type { AbortPlan, FaultPlan } from './config.ts'
import type { FaultStats } from './stats.ts'

/**
 * Requests that are delayed at the same time, in the whole process. Each holds a timer, its exchange
 * and its client's connection or stream; above it requests go on without a delay. Envoy's
 * `max_active_faults`, which Istio leaves without a bound.
 */
export const MAX_DELAYED = 65_536

const ABORT_BODY = 'fault filter abort'
const ABORT_DETAILS = 'fault_filter_abort'

/** Delays and aborts requests of one route (Istio VirtualService.http.fault). */
export class FaultFilter implements Filter {
  readonly name = 'fault'
  readonly #plan: FaultPlan
  readonly #stats: FaultStats
  readonly #random: Random

  constructor(plan: FaultPlan, stats: FaultStats, random: Random) {
    this.#plan = plan
    this.#stats = stats
    this.#random = random
  }

  onRequest(exchange: FilterExchange): Verdict {
    const delay = this.#plan.delay
    if (delay !== null && delay.share.draw(this.#random)) {
      if (this.#stats.delayed < MAX_DELAYED) {
        exchange.addFlag('DI')
        exchange.waitWith(new Delay(this, this.#stats, exchange, delay.delayMs))
        return WAIT
      }
      this.#stats.overflows++
    }
    return this.aborts(exchange) ? ANSWERED : CONTINUE
  }

  /** The dice of the abort, cast behind a delay; true when the request was answered. */
  aborts(exchange: FilterExchange): boolean {
    const abort = this.#plan.abort
    if (abort === null || !abort.share.draw(this.#random)) return false
    this.#stats.abortsInjected++
    const headers = new Headers()
    if (abort.grpcCode !== null) headers.add('grpc-status', abort.grpcCode)
    exchange.answer(abort.httpStatus, headers, ABORT_BODY, 'FI', ABORT_DETAILS)
    return true
  }

  describe(): Readonly<Record<string, unknown>> {
    const { delay, abort } = this.#plan
    return {
      delay: delay === null ? null : { delayMs: delay.delayMs, percent: delay.share.percent },
      abort: abort === null ? null : describeAbort(abort),
    }
  }
}

function describeAbort({ httpStatus, grpcCode, share }: AbortPlan): Record<string, unknown> {
  const grpcStatus = grpcCode === null ? null : Number(grpcCode)
  return { httpStatus, grpcStatus, percent: share.percent }
}

/** One request that waits. */
class Delay implements Waiter {
  readonly #filter: FaultFilter
  readonly #stats: FaultStats
  readonly #exchange: FilterExchange
  readonly #timer: NodeJS.Timeout

  constructor(filter: FaultFilter, stats: FaultStats, exchange: FilterExchange, delayMs: number) {
    this.#filter = filter
    this.#stats = stats
    this.#exchange = exchange
    this.#timer = setTimeout(onElapsed, delayMs, this)
    stats.delaysInjected++
    stats.delayed++
  }

  elapsed(): void {
    this.#stats.delayed--
    if (!this.#filter.aborts(this.#exchange)) this.#exchange.resume()
  }

  exchangeEnded(): void {
    this.#stats.delayed--
    clearTimeout(this.#timer)
  }
}

function onElapsed(delay: Delay): void {
  delay.elapsed()
}

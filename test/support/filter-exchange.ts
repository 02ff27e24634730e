import type { Claims } from '../../src/base/claims.ts'
import type {
  FilterExchange,
  ResponseEditor,
  UpstreamObserver,
  Verdict,
  Waiter,
} from '../../src/filters/filter.ts'
import { type Filter, WAIT } from '../../src/filters/filter.ts'
import type { Headers } from '../../src/http/headers.ts'
import type { Request } from '../../src/http/request.ts'
import { requestOf, type RequestSketch } from './requests.ts'

export interface ExchangeSketch extends RequestSketch {
  readonly clientAddress?: string
  readonly claims?: Claims
  readonly clusterName?: string | null
  /** Exchanges of one connection share it; by default each has one of its own. */
  readonly connection?: object
}

/** What a filter made of a request: 200 stands for "went on". */
export interface Outcome {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly flag: string
  readonly details: string
  /** The filter answered or went on without waiting. */
  readonly synchronous: boolean
}

/** An exchange that ends where its filter ends: records the answer, or that the request went on. */
export class RecordedExchange implements FilterExchange {
  readonly request: Request
  readonly clientAddress: string
  claims: Claims | null
  readonly clusterName: string | null
  readonly connection: object
  ended = false
  readonly done: Promise<Outcome>
  /** Flags of the log that the filter set on a request that went on. */
  readonly flags: string[] = []
  readonly editors: ResponseEditor[] = []
  readonly observers: UpstreamObserver[] = []
  body = ''
  readonly #added: Record<string, string> = {}
  #waiter: Waiter | null = null
  readonly #settle: (outcome: Outcome) => void
  #synchronous = true
  #settled = 0

  constructor(sketch: ExchangeSketch = {}) {
    this.request = requestOf(sketch)
    this.clientAddress = sketch.clientAddress ?? '192.0.2.1'
    this.claims = sketch.claims ?? null
    this.clusterName = sketch.clusterName === undefined ? 'outbound|80||web' : sketch.clusterName
    this.connection = sketch.connection ?? {}
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    this.done = promise
    this.#settle = resolve
  }

  /** How often the filter answered or resumed: more than once is a bug of the filter. */
  get settled(): number {
    return this.#settled
  }

  answer(status: number, headers: Headers, body: string, flag: string, details: string): void {
    this.ended = true
    this.body = body
    const fields: Record<string, string> = { ...this.#added }
    for (let i = 0; i < headers.fields.length; i += 2) {
      fields[headers.fields[i]!] = headers.fields[i + 1]!
    }
    this.#finish(status, fields, flag, details)
  }

  resume(): void {
    if (!this.ended) this.#finish(200, this.#added, '', '')
  }

  addResponseHeader(name: string, value: string): void {
    this.#added[name] = value
  }

  editResponse(editor: ResponseEditor): void {
    this.editors.push(editor)
  }

  observeUpstream(observer: UpstreamObserver): void {
    this.observers.push(observer)
  }

  addFlag(flag: string): void {
    this.flags.push(flag)
  }

  waitWith(waiter: Waiter): void {
    this.#waiter = waiter
  }

  /** The client goes while the filter waits. */
  leave(): void {
    this.ended = true
    this.#waiter?.exchangeEnded()
  }

  /** Runs a filter the way the proxy does. */
  run(filter: Filter): Promise<Outcome> {
    const verdict: Verdict = filter.onRequest(this)
    if (verdict === WAIT && this.#settled > 0) throw new Error('settled before it said it waits')
    this.#synchronous = verdict !== WAIT
    if (verdict !== WAIT && !this.ended) this.resume()
    return this.done
  }

  #finish(status: number, headers: Record<string, string>, flag: string, details: string): void {
    this.#settled++
    this.#settle({ status, headers, flag, details, synchronous: this.#synchronous })
  }
}

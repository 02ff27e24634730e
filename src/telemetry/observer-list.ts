import type { ExchangeObserver, ExchangeRecord } from '../proxy/exchange-record.ts'

/** Tells several observers of every exchange, in order. */
export class ObserverList implements ExchangeObserver {
  readonly #observers: readonly ExchangeObserver[]

  constructor(observers: readonly ExchangeObserver[]) {
    this.#observers = observers
  }

  onExchangeEnd(record: ExchangeRecord): void {
    const observers = this.#observers
    for (let i = 0; i < observers.length; i++) observers[i]!.onExchangeEnd(record)
  }
}

/** One observer for all of `observers`; null when there is none, so that nothing is called at all. */
export function observerOf(observers: readonly ExchangeObserver[]): ExchangeObserver | null {
  if (observers.length === 0) return null
  return observers.length === 1 ? observers[0]! : new ObserverList(observers)
}

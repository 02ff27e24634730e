import type { H1Settings } from './h1-settings.ts'

/** How many interim answers (1xx) one request may have, and how long their heads may be together. */
export class InformationalBudget {
  readonly #settings: H1Settings
  #answers = 0
  #bytes = 0

  constructor(settings: H1Settings) {
    this.#settings = settings
  }

  /** For another request. */
  begin(): void {
    this.#answers = 0
    this.#bytes = 0
  }

  /** One with a head of so many bytes came. False: that is more than may be. */
  takes(headBytes: number): boolean {
    const { maxInformational, maxInformationalBytes } = this.#settings
    this.#answers++
    this.#bytes += headBytes
    return this.#answers <= maxInformational && this.#bytes <= maxInformationalBytes
  }
}

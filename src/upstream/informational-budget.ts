/** What the interim answers (1xx) to one request may be. */
export interface InformationalLimits {
  readonly maxInformational: number
  /** Bytes of their heads, all together. */
  readonly maxInformationalBytes: number
}

/** How many interim answers (1xx) one request may have, and how long their heads may be together. */
export class InformationalBudget {
  readonly #limits: InformationalLimits
  #answers = 0
  #bytes = 0

  constructor(limits: InformationalLimits) {
    this.#limits = limits
  }

  /** For another request. */
  begin(): void {
    this.#answers = 0
    this.#bytes = 0
  }

  /** So many bytes of a head came whose end did not: it may be that of an interim answer. */
  notes(bytes: number): void {
    this.#bytes += bytes
  }

  /** One came whose head had so many bytes that were not noted. False: that is more than may be. */
  takes(headBytes: number): boolean {
    const { maxInformational, maxInformationalBytes } = this.#limits
    this.#answers++
    this.#bytes += headBytes
    return this.#answers <= maxInformational && this.#bytes <= maxInformationalBytes
  }
}

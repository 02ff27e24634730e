import { inspect } from 'node:util'

const REDACTED = '[redacted]'

/** A string that must not be shown: prints, logs and serialises as `[redacted]`. `reveal()` gives it. */
export class SecretText {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  reveal(): string {
    return this.#text
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [inspect.custom](): string {
    return REDACTED
  }
}

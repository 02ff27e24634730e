import type { Reporter } from '../reporter.ts'
import type { ValidationOptions } from './validation-options.ts'

type Step = string | number

/** A spot inside a resource; findings made through it carry its path. */
export class Place {
  readonly path: readonly Step[]
  readonly options: ValidationOptions
  readonly #reporter: Reporter

  constructor(reporter: Reporter, options: ValidationOptions, path: readonly Step[]) {
    this.#reporter = reporter
    this.options = options
    this.path = path
  }

  /** A field below: `at('tls', 'mode')`, `at('http', 0)`. */
  at(...steps: Step[]): Place {
    return new Place(this.#reporter, this.options, [...this.path, ...steps])
  }

  /** Visits each entry of the list field `name` with its own place. */
  each<T>(
    name: string,
    items: readonly T[] | undefined,
    visit: (item: T, place: Place, index: number) => void,
  ): void {
    if (items === undefined) return
    for (const [index, item] of items.entries()) visit(item, this.at(name, index), index)
  }

  error(code: string, message: string, hint: string | null = null): void {
    this.#reporter.error(code, this.path, message, hint)
  }

  warning(code: string, message: string, hint: string | null = null): void {
    this.#reporter.warning(code, this.path, message, hint)
  }

  info(code: string, message: string, hint: string | null = null): void {
    this.#reporter.info(code, this.path, message, hint)
  }
}

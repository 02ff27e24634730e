import type { Problem, Severity } from './problems.ts'
import { refOf, type Resource } from './resource.ts'

/** Collects Problems about one resource; knows its file and where each field stood. */
export class Reporter {
  readonly problems: Problem[]
  readonly #resource: Resource<unknown>

  constructor(resource: Resource<unknown>, problems: Problem[]) {
    this.#resource = resource
    this.problems = problems
  }

  error(
    code: string,
    path: readonly (string | number)[],
    message: string,
    hint: string | null = null,
  ): void {
    this.report('error', code, path, message, hint)
  }

  warning(
    code: string,
    path: readonly (string | number)[],
    message: string,
    hint: string | null = null,
  ): void {
    this.report('warning', code, path, message, hint)
  }

  info(
    code: string,
    path: readonly (string | number)[],
    message: string,
    hint: string | null = null,
  ): void {
    this.report('info', code, path, message, hint)
  }

  report(
    severity: Severity,
    code: string,
    path: readonly (string | number)[],
    message: string,
    hint: string | null,
  ): void {
    const location = this.#resource.location
    this.problems.push({
      code,
      severity,
      ref: refOf(this.#resource),
      path,
      message,
      hint,
      file: location.file,
      line: location.lineOf(path),
      column: null,
    })
  }
}

import { type Problem, type Severity, unplacedProblem } from '../config/problems.ts'
import { refOf, type Resource } from '../config/resource.ts'

/** What a compilation has to say: each finding once, sorted, however often the same thing was met. */
export class Findings {
  readonly #byKey = new Map<string, Problem>()

  /** A finding about one field of a resource. */
  report(
    severity: Severity,
    code: string,
    place: Place,
    message: string,
    hint: string | null = null,
  ): void {
    const { resource, path } = place
    this.add({
      code,
      severity,
      ref: refOf(resource),
      path,
      message,
      hint,
      file: resource.location.file,
      line: resource.location.lineOf(path),
      column: null,
    })
  }

  /** A finding about the whole set. */
  reportGeneral(severity: Severity, code: string, message: string, hint: string | null): void {
    this.add(unplacedProblem(severity, code, message, hint))
  }

  add(problem: Problem): void {
    const key = sortKey(problem)
    if (!this.#byKey.has(key)) this.#byKey.set(key, problem)
  }

  sorted(): readonly Problem[] {
    return [...this.#byKey.entries()]
      .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([, problem]) => problem)
  }
}

/** A field of a resource, for findings. */
export interface Place {
  readonly resource: Resource<unknown>
  readonly path: readonly (string | number)[]
}

/** `namespace/name (file:line)`: how findings name another resource. */
export function describe(resource: Resource<unknown>, path: Place['path'] = []): string {
  const { file } = resource.location
  const line = resource.location.lineOf(path) ?? resource.location.line
  const where = file === null ? '' : ` (${file}${line === null ? '' : `:${line}`})`
  return `${resource.metadata.namespace}/${resource.metadata.name}${where}`
}

const LINE_DIGITS = 9

function sortKey(problem: Problem): string {
  const ref = problem.ref
  const identity = ref === null ? '' : `${ref.kind}/${ref.namespace}/${ref.name}`
  const line = String(problem.line ?? 0).padStart(LINE_DIGITS, '0')
  return [
    problem.file ?? '',
    line,
    identity,
    problem.path.join('.'),
    problem.code,
    problem.message,
  ].join('\n')
}

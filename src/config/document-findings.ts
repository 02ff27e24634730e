import type { DocumentLocation } from './document-location.ts'
import type { Problem, ResourceRef, Severity } from './problems.ts'

/** A document with thousands of slips has one cause; the first findings show it. */
export const MAX_FINDINGS_PER_RESOURCE = 100
/** Findings held while a document is checked; what comes after is only counted. */
const MAX_HELD = 1000

/** Collects Problems about one document, with line and column, before it is a resource. */
export class DocumentFindings {
  readonly problems: Problem[] = []
  /** Set once it is known. */
  ref: ResourceRef | null = null
  readonly #location: DocumentLocation
  #uncounted = 0
  #failedUnseen = false

  constructor(location: DocumentLocation) {
    this.#location = location
  }

  report(
    severity: Severity,
    code: string,
    path: readonly (string | number)[],
    message: string,
    hint: string | null = null,
  ): void {
    const location = this.#location
    if (this.problems.length >= MAX_HELD) {
      this.#uncounted++
      if (severity === 'error') this.#failedUnseen = true
      return
    }
    this.problems.push({
      code,
      severity,
      ref: this.ref,
      path,
      message,
      hint,
      file: location.file,
      line: location.lineOf(path),
      column: location.columnOf(path),
    })
  }

  get failed(): boolean {
    return this.#failedUnseen || this.problems.some((problem) => problem.severity === 'error')
  }

  /** Shortens an endless list: errors first, and a last one that counts the rest. */
  bounded(): readonly Problem[] {
    const more = this.problems.length + this.#uncounted - MAX_FINDINGS_PER_RESOURCE
    if (more <= 0) return this.problems
    const kept = [...this.problems]
      .sort((left, right) => rank(left) - rank(right))
      .slice(0, MAX_FINDINGS_PER_RESOURCE)
      .sort((left, right) => (left.line ?? 0) - (right.line ?? 0))
    const last = kept.at(-1)
    if (last === undefined) return kept
    const severity = this.failed ? 'error' : 'warning'
    const message = `${more} more problems of this resource are not shown`
    return [
      ...kept,
      { ...last, severity, code: 'more-problems', path: [], message, hint: null, column: null },
    ]
  }
}

function rank(problem: Problem): number {
  return problem.severity === 'error' ? 0 : problem.severity === 'warning' ? 1 : 2
}

import { formatPath, type Problem } from '../config/problems.ts'
import type { Logger } from './log.ts'

/** One line for people: what, where, what to do. */
export function problemText(problem: Problem): string {
  const ref = problem.ref
  const where = [
    problem.file === null
      ? null
      : problem.line === null
        ? problem.file
        : `${problem.file}:${problem.line}`,
    ref === null
      ? null
      : `${ref.kind} ${ref.namespace === '' ? '' : `${ref.namespace}/`}${ref.name}`,
    problem.path.length === 0 ? null : formatPath(problem.path),
  ].filter((part) => part !== null)
  const hint = problem.hint === null ? '' : ` (${problem.hint})`
  const place = where.length === 0 ? '' : `${where.join(' ')}: `
  return printable(`${place}${problem.message}${hint} [${problem.code}]`)
}

/** Control characters, line separators and what turns the direction of text around. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/** Text of a file can neither steer a terminal nor begin a line of its own. */
function printable(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Logs what is new since the last set of problems, and says when all are gone. */
export class ProblemLog {
  readonly #log: Logger
  #known = new Set<string>()

  constructor(log: Logger) {
    this.#log = log
  }

  update(problems: readonly Problem[]): void {
    const current = new Set<string>()
    for (const problem of problems) {
      const text = problemText(problem)
      current.add(text)
      if (this.#known.has(text)) continue
      if (problem.severity === 'error') this.#log.error(text)
      else if (problem.severity === 'warning') this.#log.warn(text)
      else this.#log.info(text)
    }
    if (this.#known.size > 0 && current.size === 0)
      this.#log.info('all configuration problems are gone')
    this.#known = current
  }
}

import { type Problem, unplacedProblem } from '../config/problems.ts'

/** A listener of the configuration that the system does not let us bind. */
export function bindProblem(ports: readonly number[], message: string): Problem {
  return unplacedProblem(
    'error',
    'listener-not-bound',
    `the listener of Gateway port ${ports.join(', ')} cannot bind: ${message}`,
    `free the port, or move it with --listen ${ports[0]}=[HOST:]PORT`,
  )
}

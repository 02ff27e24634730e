import type { Problem } from '../config/problems.ts'

/** A listener of the configuration that the system does not let us bind. */
export function bindProblem(ports: readonly number[], message: string): Problem {
  return {
    code: 'listener-not-bound',
    severity: 'error',
    ref: null,
    path: [],
    message: `the listener of Gateway port ${ports.join(', ')} cannot bind: ${message}`,
    hint: `free the port, or move it with --listen ${ports[0]}=[HOST:]PORT`,
    file: null,
    line: null,
    column: null,
  }
}

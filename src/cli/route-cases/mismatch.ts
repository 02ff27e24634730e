/** An expectation that does not hold. */
export interface Mismatch {
  /** Below `expect`: `cluster`, `headers.x-env`. */
  readonly field: string
  readonly path: readonly (string | number)[]
  readonly expected: string
  readonly actual: string
}

export function mismatch(path: Mismatch['path'], expected: string, actual: string): Mismatch {
  return { field: path.join('.'), path, expected, actual }
}

export function quoted(text: string): string {
  return JSON.stringify(text)
}

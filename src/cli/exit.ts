/** Exit statuses of every verb. */
export const EXIT_OK = 0
export const EXIT_FINDINGS = 1
export const EXIT_USAGE = 2
export const EXIT_NOT_READY = 3

/** A failure that the person at the keyboard can act on: what, where, what to do. */
export class CommandError extends Error {
  readonly where: string | null
  readonly hint: string | null
  readonly exitCode: number

  constructor(message: string, where: string | null, hint: string | null, exitCode: number) {
    super(message)
    this.where = where
    this.hint = hint
    this.exitCode = exitCode
  }
}

export function usageError(message: string, where: string, hint: string): CommandError {
  return new CommandError(message, where, hint, EXIT_USAGE)
}

/** One line what, one line where, one line what to do. */
export function printError(error: CommandError): void {
  console.error(`tidegate: ${error.message}`)
  if (error.where !== null) console.error(`  where: ${error.where}`)
  if (error.hint !== null) console.error(`  what to do: ${error.hint}`)
}

/** The gateway cannot start: what, where, what to do. */
export class StartError extends Error {
  readonly where: string | null
  readonly hint: string | null

  constructor(message: string, where: string | null, hint: string | null) {
    super(message)
    this.where = where
    this.hint = hint
  }
}

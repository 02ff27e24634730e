/** What became of requests where tokens are validated, over all generations of this process. */
export class JwtStats {
  /** Without a token. */
  anonymous = 0
  preflights = 0
  allowed = 0
  /** Of those allowed: the token was verified before. */
  cached = 0
  /** By reason. */
  readonly denied = new Map<string, number>()
  readonly fetches = { ok: 0, failed: 0 }

  deny(reason: string): void {
    this.denied.set(reason, (this.denied.get(reason) ?? 0) + 1)
  }
}

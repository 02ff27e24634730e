/** Which of those that may set a limit did; an earlier one of this list wins. */
export type LimitSource =
  'MeshConfig' | '--limit' | 'profile EDGE' | '--compat' | 'numTrustedProxies' | 'default'

/** A limit in force, as docs/limits.md names it: a number (counts, bytes) or its text (`30s`). */
export interface EffectiveLimit {
  readonly name: string
  readonly value: number | string
  readonly source: LimitSource
}

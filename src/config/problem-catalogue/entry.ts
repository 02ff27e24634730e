import type { Severity } from '../problems.ts'

/** One code in the catalogue. */
export interface CatalogueEntry {
  /** The severities it is reported with: one for most codes. */
  readonly severities: readonly Severity[]
  /** One line: what the finding says. */
  readonly meaning: string
  /** What to do about it. */
  readonly remedy: string
}

export type Catalogue = Readonly<Record<string, CatalogueEntry>>

export function error(meaning: string, remedy: string): CatalogueEntry {
  return { severities: ['error'], meaning, remedy }
}

export function warning(meaning: string, remedy: string): CatalogueEntry {
  return { severities: ['warning'], meaning, remedy }
}

export function info(meaning: string, remedy: string): CatalogueEntry {
  return { severities: ['info'], meaning, remedy }
}

/** For a code whose severity depends on the circumstances, worst first. */
export function either(
  severities: readonly Severity[],
  meaning: string,
  remedy: string,
): CatalogueEntry {
  return { severities, meaning, remedy }
}

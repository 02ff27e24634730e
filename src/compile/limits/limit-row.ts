import type { ConnectionSettingsSpec } from '../../config/mesh-config.ts'

export type MeshField = keyof ConnectionSettingsSpec

/** A limit that is a number. Durations are milliseconds; Infinity stands for no limit. */
export interface NumberRow {
  readonly unit: 'count' | 'bytes' | 'duration'
  /** null: as many as open files allow. */
  readonly byDefault: number | null
  readonly least: number
  readonly most: number
  /** `unlimited` may be written, and 0 for a duration. */
  readonly unlimited: boolean
  /** What sets it in MeshConfig defaultConfig.connectionSettings. */
  readonly field: MeshField | null
  /** The default under the EDGE profile, where that is another. */
  readonly edge: number | null
  readonly meaning: string
}

/** A limit that is one of a few words. */
export interface ChoiceRow<V extends string = string> {
  readonly unit: 'choice'
  readonly byDefault: V
  readonly choices: readonly V[]
  readonly field: MeshField | null
  /** Values of that field, and what each means here. */
  readonly ofField: ReadonlyMap<string, V>
  readonly edge: V | null
  readonly meaning: string
}

export type LimitRow = NumberRow | ChoiceRow

const MAX_INT32 = 2_147_483_647
/** A timer of Node holds no more than 24.8 days. */
const MAX_DURATION_MS = 576 * 3_600_000

type Details = Partial<Omit<NumberRow, 'unit' | 'byDefault' | 'meaning'>>

function numberRow(
  unit: NumberRow['unit'],
  byDefault: number | null,
  meaning: string,
  details: Details,
): NumberRow {
  return {
    unit,
    byDefault,
    least: details.least ?? 1,
    most: details.most ?? (unit === 'duration' ? MAX_DURATION_MS : MAX_INT32),
    unlimited: details.unlimited ?? false,
    field: details.field ?? null,
    edge: details.edge ?? null,
    meaning,
  }
}

export function count(byDefault: number | null, meaning: string, details: Details = {}): NumberRow {
  return numberRow('count', byDefault, meaning, details)
}

export function bytes(byDefault: number, meaning: string, details: Details = {}): NumberRow {
  return numberRow('bytes', byDefault, meaning, details)
}

/** `byDefault` in milliseconds. */
export function duration(byDefault: number, meaning: string, details: Details = {}): NumberRow {
  return numberRow('duration', byDefault, meaning, details)
}

/** The first choice is the default. */
export function choice<const V extends string>(
  choices: readonly [V, ...V[]],
  meaning: string,
  details: { field?: MeshField; ofField?: readonly (readonly [string, V])[]; edge?: V } = {},
): ChoiceRow<V> {
  return {
    unit: 'choice',
    byDefault: choices[0],
    choices,
    field: details.field ?? null,
    ofField: new Map(details.ofField ?? []),
    edge: details.edge ?? null,
    meaning,
  }
}

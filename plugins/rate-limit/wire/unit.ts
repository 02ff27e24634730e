import { UNIT_SECONDS, type Unit } from '../limit.ts'

export type RateUnit = Unit

/** Number i is the unit i of RateLimitResponse.RateLimit.Unit; 0 is UNKNOWN. */
const UNITS: readonly (RateUnit | null)[] = [
  null,
  'SECOND',
  'MINUTE',
  'HOUR',
  'DAY',
  'MONTH',
  'YEAR',
  'WEEK',
]

export function unitOf(number: number): RateUnit | null {
  return UNITS[number] ?? null
}

export function unitNumber(unit: RateUnit): number {
  return UNITS.indexOf(unit)
}

/** The unit that is so many seconds long, or null. */
export function unitOfSeconds(seconds: number): RateUnit | null {
  return BY_SECONDS.get(seconds) ?? null
}

const BY_SECONDS: ReadonlyMap<number, RateUnit> = new Map(
  UNITS.filter((unit) => unit !== null).map((unit) => [UNIT_SECONDS[unit], unit]),
)

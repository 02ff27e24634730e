import { closest } from '../../base/closest.ts'
import { parseDurationMs } from '../../base/duration.ts'
import type { LimitRow, NumberRow } from './limit-row.ts'
import { LIMIT_NAMES, type LimitName, LIMITS } from './limit-table.ts'

const UNLIMITED = 'unlimited'
const SIZE = /^(\d{1,10})(k|m|Ki|Mi|KiB|MiB)?$/
const COUNT = /^\d{1,10}$/
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const SECOND_MS = 1_000
/** What stands for a default that depends on the machine. */
const FROM_OPEN_FILES = 'half of the open files, at most 50000'

export type LimitReading =
  | { readonly name: LimitName; readonly value: number | string }
  | { readonly problem: string; readonly hint: string }

/** `write-stall-timeout=30s` */
export function parseLimit(text: string): LimitReading {
  const equals = text.indexOf('=')
  const written = equals === -1 ? text : text.slice(0, equals)
  const name = LIMIT_NAMES.find((known) => known === written)
  if (name === undefined) {
    return { problem: `"${written}" is not a limit`, hint: `${suggestion(written)}` }
  }
  const row: LimitRow = LIMITS[name]
  const value = equals === -1 ? null : parseLimitValue(row, text.slice(equals + 1))
  if (value !== null) return { name, value }
  const problem =
    equals === -1 ? `${name} has no value` : `${name} cannot be "${text.slice(equals + 1)}"`
  return { problem, hint: `write --limit ${name}=VALUE with ${rangeText(row)}` }
}

/** null: nothing the row can be. */
export function parseLimitValue(row: LimitRow, text: string): number | string | null {
  if (row.unit === 'choice') return row.choices.find((known) => known === text) ?? null
  if (row.unlimited && text === UNLIMITED) return Infinity
  const value = parseNumber(row.unit, text)
  if (value === null) return null
  if (value === 0 && row.unlimited && row.unit === 'duration') return Infinity
  return value >= row.least && value <= row.most ? value : null
}

function parseNumber(unit: NumberRow['unit'], text: string): number | null {
  if (unit === 'duration') return parseDurationMs(text)
  if (unit === 'count') return COUNT.test(text) ? Number(text) : null
  const [, digits, suffix = ''] = SIZE.exec(text) ?? []
  if (digits === undefined) return null
  const factor = suffix === '' ? 1 : suffix.toLowerCase().startsWith('k') ? 1_024 : 1_048_576
  return Number(digits) * factor
}

/** The value as JSON shows it: a number with its unit in the name, or text that may be written. */
export function shownLimit(row: LimitRow, value: number | string | null): number | string {
  if (value === null) return FROM_OPEN_FILES
  if (value === Infinity) return UNLIMITED
  return row.unit === 'duration' && typeof value === 'number' ? durationText(value) : value
}

/** `a whole number from 1 to 10000, or unlimited` */
export function rangeText(row: LimitRow): string {
  if (row.unit === 'choice') return `one of ${row.choices.join(', ')}`
  const { least, most, unit } = row
  const free = row.unlimited ? ', or unlimited' : ''
  if (unit === 'duration') {
    return `a duration from ${durationText(least)} to ${durationText(most)}, such as 30s or 1m30s${free}`
  }
  const what = unit === 'count' ? 'a whole number' : 'bytes (or 64KiB, 1MiB)'
  return `${what} from ${least} to ${most}${free}`
}

/** In the largest unit that gives a whole number: `90s`, `1h`. */
export function durationText(ms: number): string {
  if (ms === 0 || ms % SECOND_MS !== 0) return ms === 0 ? '0s' : `${ms}ms`
  if (ms % HOUR_MS === 0) return `${ms / HOUR_MS}h`
  return ms % MINUTE_MS === 0 ? `${ms / MINUTE_MS}m` : `${ms / SECOND_MS}s`
}

/** Other proxies write max- before most of these names. */
function suggestion(written: string): string {
  const plain = written
    .toLowerCase()
    .replaceAll('_', '-')
    .replace(/\bmax-/, '')
  const near =
    closest(plain, LIMIT_NAMES) ??
    LIMIT_NAMES.find((name) => plain.length > 3 && name.includes(plain))
  const list = 'docs/limits.md lists all limits'
  return near === undefined ? list : `did you mean ${near}? ${list}`
}

import { closest } from '../base/closest.ts'
import { formatPath } from './problems.ts'

type Path = readonly (string | number)[]

/** Stands for a value that was reported as wrong. */
export const WRONG = Symbol('wrong')

/** A checked value; `undefined` when it counts as absent. */
export type Checked = unknown

/** What the checks of single values need from the walk they belong to. */
export interface ScalarContext {
  readonly options: { readonly compat: boolean; readonly showValues: boolean }
  error(code: string, path: Path, message: string, hint: string | null): typeof WRONG
  warning(code: string, path: Path, message: string, hint: string | null): void
  expected(what: string, path: Path, value: unknown): string
}

/** Text shown in a message is cut here. */
const MAX_SHOWN = 60

export function checkNumber(
  type: 'integer' | 'number',
  value: unknown,
  path: Path,
  context: ScalarContext,
): Checked {
  const what = type === 'integer' ? 'an integer' : 'a number'
  if (isNumberOf(type, value)) return value
  const quoted = typeof value === 'string' && /^-?\d+(?:\.\d+)?$/.test(value) ? Number(value) : null
  if (quoted === null || !isNumberOf(type, quoted)) {
    return context.error('wrong-type', path, context.expected(what, path, value), null)
  }
  const hint = context.options.showValues
    ? `write ${quoted} without quotes`
    : 'leave out the quotes'
  const message = context.expected(what, path, value)
  if (!context.options.compat) return context.error('wrong-type', path, message, hint)
  context.warning('wrong-type', path, message, hint)
  return quoted
}

export function checkText(
  type: 'boolean' | 'string',
  value: unknown,
  path: Path,
  context: ScalarContext,
): Checked {
  if (typeof value === type) return value
  const message = context.expected(type === 'string' ? 'a string' : 'true or false', path, value)
  const hint = type === 'string' ? quoteHint(value) : booleanHint(value)
  return context.error('wrong-type', path, message, hint)
}

/** Other spellings of an enum value (`static`, `TLSv1.2`, `round-robin`) are read as meant. */
export function checkEnum(
  values: readonly string[],
  value: unknown,
  path: Path,
  context: ScalarContext,
): Checked {
  if (typeof value !== 'string') {
    return context.error(
      'wrong-type',
      path,
      context.expected(`one of ${values.join(', ')}`, path, value),
      null,
    )
  }
  if (values.includes(value)) return value
  const shown = describe(value, context.options.showValues)
  const wanted = folded(value)
  const same = values.filter((candidate) => folded(candidate) === wanted)
  if (same.length === 1 && same[0] !== undefined) {
    const message = `${formatPath(path)}: ${shown} is read as ${same[0]}`
    context.warning('enum-repaired', path, message, `write ${same[0]}`)
    return same[0]
  }
  const meant = closest(value, values)
  const hint = meant === null ? null : `did you mean ${meant}?`
  const message = `${formatPath(path)} must be one of ${values.join(', ')}, got ${shown}`
  return context.error('unknown-value', path, message, hint)
}

/** A value as a message shows it; `shown` false tells only its type. */
export function describe(value: unknown, shown: boolean): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (!shown) return typeof value === 'boolean' ? 'a boolean' : `a ${typeof value}`
  if (typeof value !== 'string') return String(value)
  return JSON.stringify(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}...` : value)
}

function isNumberOf(type: 'integer' | 'number', value: unknown): boolean {
  return type === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value)
}

function quoteHint(value: unknown): string | null {
  return typeof value === 'object' ? null : 'put the value in quotes'
}

function booleanHint(value: unknown): string | null {
  if (typeof value === 'object') return null
  const text = String(value).toLowerCase()
  if (text === 'true' || text === 'yes' || text === 'on' || text === '1')
    return 'write true, without quotes'
  if (text === 'false' || text === 'no' || text === 'off' || text === '0')
    return 'write false, without quotes'
  return null
}

function folded(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]/g, '')
}

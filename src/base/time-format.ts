/** Milliseconds since the epoch to text, in UTC. */
export type TimeFormatter = (epochMs: number) => string

/** `2026-11-21T08:00:00.123Z`; the part up to the second is reused while the second lasts. */
export function isoTimeFormatter(): TimeFormatter {
  let second = -1
  let head = ''
  return (epochMs) => {
    const now = Math.floor(epochMs / 1000)
    if (now !== second) {
      second = now
      head = new Date(now * 1000).toISOString().slice(0, 19)
    }
    return `${head}.${String(epochMs - now * 1000).padStart(3, '0')}Z`
  }
}

type Part = (date: Date) => string

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

const pad = (value: number, width: number): string => String(value).padStart(width, '0')

const PARTS: ReadonlyMap<string, Part> = new Map<string, Part>([
  ['Y', (date) => String(date.getUTCFullYear())],
  ['y', (date) => pad(date.getUTCFullYear() % 100, 2)],
  ['m', (date) => pad(date.getUTCMonth() + 1, 2)],
  ['d', (date) => pad(date.getUTCDate(), 2)],
  ['e', (date) => String(date.getUTCDate()).padStart(2)],
  ['H', (date) => pad(date.getUTCHours(), 2)],
  ['I', (date) => pad(date.getUTCHours() % 12 || 12, 2)],
  ['M', (date) => pad(date.getUTCMinutes(), 2)],
  ['S', (date) => pad(date.getUTCSeconds(), 2)],
  ['p', (date) => (date.getUTCHours() < 12 ? 'AM' : 'PM')],
  ['b', (date) => MONTHS[date.getUTCMonth()]!.slice(0, 3)],
  ['B', (date) => MONTHS[date.getUTCMonth()]!],
  ['a', (date) => DAYS[date.getUTCDay()]!.slice(0, 3)],
  ['A', (date) => DAYS[date.getUTCDay()]!],
  ['F', (date) => date.toISOString().slice(0, 10)],
  ['T', (date) => date.toISOString().slice(11, 19)],
  ['s', (date) => String(Math.floor(date.getTime() / 1000))],
  ['z', () => '+0000'],
  ['Z', () => 'UTC'],
  ['f', (date) => pad(date.getUTCMilliseconds(), 3).padEnd(9, '0')],
  ['%', () => '%'],
])

/**
 * A formatter for the strftime subset Envoy's START_TIME is used with, and its `%f`, `%3f`, `%6f`,
 * `%9f` for fractions of a second. A string is the reason why it cannot be.
 */
export function compileTimeFormat(format: string): TimeFormatter | string {
  const parts: (string | Part)[] = []
  for (const [text, width, specifier] of format.matchAll(/%([1-9])?(.?)|[^%]+/gs)) {
    if (!text.startsWith('%')) {
      parts.push(text)
      continue
    }
    const part = PARTS.get(specifier ?? '')
    if (part === undefined || (width !== undefined && specifier !== 'f')) {
      return `"${text}" is no time format`
    }
    const digits = width === undefined ? null : Number(width)
    parts.push(digits === null ? part : (date) => part(date).slice(0, digits))
  }
  return (epochMs) => {
    const date = new Date(epochMs)
    let text = ''
    for (const part of parts) text += typeof part === 'string' ? part : part(date)
    return text
  }
}

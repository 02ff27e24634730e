import type { LimitFlags, LimitName } from '../compile/limits/limit-table.ts'
import { parseLimit } from '../compile/limits/limit-text.ts'
import { usageError } from './exit.ts'

/** `--limit NAME=VALUE`, each name once. */
export function parseLimits(texts: readonly string[]): LimitFlags {
  const limits = new Map<LimitName, number | string>()
  for (const text of texts) {
    const reading = parseLimit(text)
    if ('problem' in reading) throw usageError(reading.problem, '--limit', reading.hint)
    if (limits.has(reading.name)) {
      throw usageError(`${reading.name} is given twice`, '--limit', 'leave one of them out')
    }
    limits.set(reading.name, reading.value)
  }
  return limits
}

import { pino, type Logger } from 'pino'
import pretty from 'pino-pretty'
import type { LogLevel } from './run-options.ts'

export type { Logger }

/** The process log on stderr. Synchronous: the last lines before an exit are not lost. */
export function createLog(level: LogLevel, format: 'json' | 'pretty'): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  if (format === 'json') return pino(options, pino.destination({ dest: 2, sync: true }))
  return pino(
    options,
    pretty({ destination: 2, sync: true, colorize: process.stderr.isTTY, singleLine: true }),
  )
}

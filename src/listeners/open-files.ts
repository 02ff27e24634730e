import { closeSync, openSync, readFileSync } from 'node:fs'
import { devNull } from 'node:os'

const LIMITS_FILE = '/proc/self/limits'

/** How many files this process may have open; Infinity where the system does not tell. */
export function openFileLimit(): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync(LIMITS_FILE, 'latin1'))
    return match === null ? Infinity : Number(match[1])
  } catch {
    return Infinity
  }
}

/** False: not one more file can be opened by this process, or on this machine. */
export function canOpenFile(): boolean {
  try {
    closeSync(openSync(devNull, 'r'))
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    return code !== 'EMFILE' && code !== 'ENFILE'
  }
}

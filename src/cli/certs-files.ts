import {
  closeSync,
  fchmodSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { CommandError, EXIT_FINDINGS, usageError } from './exit.ts'

const KEY_MODE = 0o600
const CERTIFICATE_MODE = 0o644

/** A file that is about to be written. */
export interface PemFile {
  readonly path: string
  readonly text: string
  /** Readable by its owner alone. */
  readonly secret: boolean
}

/** Writes all files or, when one of them is there and `force` is not given, none. */
export function writePemFiles(files: readonly PemFile[], force: boolean): void {
  const present = files.find(({ path }) => statSync(path, { throwIfNoEntry: false }) !== undefined)
  if (present !== undefined && !force) {
    throw new CommandError(
      'the file is there already: nothing was written',
      present.path,
      'choose another --dir or --file, or overwrite with --force',
      EXIT_FINDINGS,
    )
  }
  for (const file of files) write(file, force)
}

function write({ path, text, secret }: PemFile, force: boolean): void {
  const mode = secret ? KEY_MODE : CERTIFICATE_MODE
  try {
    mkdirSync(dirname(path), { recursive: true })
    const file = openSync(path, force ? 'w' : 'wx', mode)
    try {
      // A file that is overwritten keeps the mode it had.
      fchmodSync(file, mode)
      writeSync(file, text)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CommandError(reason, path, 'check that the folder can be written', EXIT_FINDINGS)
  }
}

export function readPem(path: string, flag: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw usageError(reason, flag, 'check the path')
  }
}

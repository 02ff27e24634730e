import { readFile } from 'node:fs/promises'
import { MAX_FILE_BYTES } from '../../document.ts'
import type { SourceFile } from '../../file-reading.ts'
import { reasonOf, type FoundFile } from './file-scan.ts'

/** All files together; what comes after is reported and left out. */
const MAX_TOTAL_BYTES = 256 * 1024 * 1024
/** Files being read at once. */
const READ_BATCH = 32
/**
 * A file that changed so shortly before it was read may change again without a new time stamp: the
 * clocks of file systems tick as slowly as every two seconds.
 */
const STAMP_SETTLES_MS = 2000

interface Known {
  readonly stamp: string
  /** False: the stamp does not prove that the text is still the same. */
  readonly settled: boolean
  readonly file: SourceFile
}

/** Reads what scans found; a file whose stamp is as it was is not read again. Failures are values. */
export class FileTexts {
  #known = new Map<string, Known>()

  async read(found: readonly FoundFile[]): Promise<SourceFile[]> {
    const known = new Map<string, Known>()
    const files: SourceFile[] = []
    const unread: number[] = []
    let total = 0
    for (const [index, { path, bytes, stamp, error }] of found.entries()) {
      total += bytes
      const before = this.#known.get(path)
      const refusal = error ?? tooMuch(bytes, total)
      if (refusal !== null) files.push({ path, text: null, error: refusal })
      else if (before !== undefined && before.settled && before.stamp === stamp) {
        files.push(before.file)
        known.set(path, before)
      } else {
        files.push({ path, text: null, error: null })
        unread.push(index)
      }
    }
    for (let start = 0; start < unread.length; start += READ_BATCH) {
      const batch = unread.slice(start, start + READ_BATCH)
      await Promise.all(
        batch.map(async (index) => {
          const one = found[index]
          if (one === undefined) return
          const settled = Date.now() - one.changedAt > STAMP_SETTLES_MS
          const file = await readOne(one.path)
          files[index] = file
          known.set(one.path, { stamp: one.stamp, settled, file })
        }),
      )
    }
    this.#known = known
    return files
  }
}

function tooMuch(bytes: number, total: number): string | null {
  if (bytes > MAX_FILE_BYTES) return tooLarge(MAX_FILE_BYTES, 'it is')
  return total > MAX_TOTAL_BYTES ? tooLarge(MAX_TOTAL_BYTES, 'all files together are') : null
}

async function readOne(path: string): Promise<SourceFile> {
  try {
    const bytes = await readFile(path)
    return { path, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), error: null }
  } catch (error) {
    const decoding = error instanceof TypeError
    return { path, text: null, error: decoding ? 'it is not UTF-8 text' : reasonOf(error) }
  }
}

function tooLarge(limit: number, what: string): string {
  return `${what} larger than ${limit / 1024 / 1024} MiB`
}

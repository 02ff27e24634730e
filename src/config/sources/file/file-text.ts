import { readFile } from 'node:fs/promises'
import { MAX_FILE_BYTES } from '../../document.ts'
import type { SourceFile } from '../../file-reading.ts'
import { reasonOf, type FoundFile } from './file-scan.ts'

/** All files together; what comes after is reported and left out. */
const MAX_TOTAL_BYTES = 256 * 1024 * 1024

/** Reads what a scan found. Failures are values. */
export async function readFound(found: readonly FoundFile[]): Promise<SourceFile[]> {
  const files: SourceFile[] = []
  let total = 0
  for (const file of found) {
    const { path } = file
    total += file.bytes
    if (file.error !== null) files.push({ path, text: null, error: file.error })
    else if (file.bytes > MAX_FILE_BYTES)
      files.push({ path, text: null, error: tooLarge(MAX_FILE_BYTES, 'it is') })
    else if (total > MAX_TOTAL_BYTES)
      files.push({ path, text: null, error: tooLarge(MAX_TOTAL_BYTES, 'all files together are') })
    else files.push(await readOne(path))
  }
  return files
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

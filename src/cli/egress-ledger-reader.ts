import { createReadStream, statSync } from 'node:fs'
import { type LedgerEntry, readLine } from '../telemetry/egress-chain.ts'
import { CommandError, EXIT_FINDINGS, usageError } from './exit.ts'

/** A longer line is none of ours, and is not kept whole. */
const MAX_LINE_BYTES = 64 * 1024
const LINE_FEED = 0x0a

/** One line of a file as it stands there. */
export interface RawLine {
  /** Without the line feed. Cut when it is too long to be a ledger line. */
  readonly bytes: Buffer
  /** Counted from 1. */
  readonly number: number
  /** False: the file ends without a line feed. */
  readonly complete: boolean
}

/** Every line of a file, in bounded memory. Throws CommandError when the file cannot be read. */
export async function* rawLines(path: string): AsyncGenerator<RawLine> {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    throw usageError(`there is no file ${path}`, 'LEDGER', 'check the path')
  }
  let number = 0
  let rest: Buffer = Buffer.alloc(0)
  try {
    for await (const part of createReadStream(path)) {
      let start = 0
      const chunk: Buffer = part
      for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
        const bytes = joined(rest, chunk.subarray(start, end))
        rest = Buffer.alloc(0)
        start = end + 1
        yield { bytes, number: ++number, complete: true }
      }
      rest = joined(rest, chunk.subarray(start))
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CommandError(`the ledger cannot be read: ${reason}`, path, null, EXIT_FINDINGS)
  }
  if (rest.length > 0) yield { bytes: rest, number: ++number, complete: false }
}

function joined(before: Buffer, part: Buffer): Buffer {
  const room = MAX_LINE_BYTES - before.length
  return room <= 0 ? before : Buffer.concat([before, part.subarray(0, room)])
}

export type Decision = Extract<LedgerEntry, { type: 'decision' }>

/** The decisions of several ledgers; what is no ledger line is counted in `unreadable`. */
export async function* decisions(
  paths: readonly string[],
  seen: { unreadable: number },
): AsyncGenerator<Decision> {
  for (const path of paths) {
    for await (const { bytes } of rawLines(path)) {
      const line = readLine(bytes.toString('utf8'))
      if (!line.ok) seen.unreadable++
      else if (line.entry.type === 'decision') yield line.entry
    }
  }
}

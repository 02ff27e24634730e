import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  write,
  writeSync,
} from 'node:fs'
import { type ChainHead, lineHash, readLine, START } from './egress-chain.ts'

/** Readable by the owner and the group: it says who talks to whom. */
const FILE_MODE = 0o640
/** Longer than any line of ours. */
const MAX_LINE_BYTES = 64 * 1024
const SEQ_DIGITS = 12
const LINE_FEED = 0x0a
/** As Chain writes it. */
const LINE_START = '{"seq":1,'

/** What a ledger file ended with when it was opened. */
export interface FoundEnd {
  readonly head: ChainHead
  /** The file had lines already. */
  readonly continued: boolean
  /** Its last line was cut off by a crash. */
  readonly torn: boolean
}

/** One append-only ledger file. */
export class LedgerFile {
  readonly path: string
  readonly found: FoundEnd
  readonly #fd: number
  #bytes: number

  private constructor(path: string, fd: number, bytes: number, found: FoundEnd) {
    this.path = path
    this.found = found
    this.#fd = fd
    this.#bytes = bytes
  }

  /** Opens or makes the file. Throws what opening throws, and for what is no regular file or no ledger. */
  static open(path: string): LedgerFile {
    const { O_APPEND, O_CREAT, O_NONBLOCK, O_RDWR } = constants
    const fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK, FILE_MODE)
    try {
      const stat = fstatSync(fd)
      if (!stat.isFile()) throw new Error(`${path} is not a regular file`)
      const found = findEnd(fd, stat.size, path)
      if (found.torn) writeSync(fd, '\n')
      return new LedgerFile(path, fd, stat.size + (found.torn ? 1 : 0), found)
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The path leads to another file by now, or to none: it was rotated away. */
  get moved(): boolean {
    const own = fstatSync(this.#fd)
    const named = statSync(this.path, { throwIfNoEntry: false })
    return named === undefined || named.ino !== own.ino || named.dev !== own.dev
  }

  /** Appends `chunk` whole, or reports how much of it got there. */
  append(chunk: Buffer, done: (error: Error | null, written: number) => void): void {
    let offset = 0
    const next = (): void => {
      write(this.#fd, chunk, offset, chunk.length - offset, null, (error, written) => {
        if (error !== null) {
          done(error, offset)
          return
        }
        offset += written
        this.#bytes += written
        if (offset < chunk.length) next()
        else done(null, offset)
      })
    }
    next()
  }

  /** Gives the full file its own name: `PATH.000000012345`, the number of its last line. */
  moveAway(lastSeq: number): string {
    const name = `${this.path}.${String(lastSeq).padStart(SEQ_DIGITS, '0')}`
    renameSync(this.path, name)
    return name
  }

  close(): void {
    closeSync(this.#fd)
  }
}

function findEnd(fd: number, size: number, path: string): FoundEnd {
  if (size === 0) return { head: START, continued: false, torn: false }
  const length = Math.min(size, 2 * MAX_LINE_BYTES)
  const tail = Buffer.alloc(length)
  const read = readSync(fd, tail, 0, length, size - length)
  const bytes = tail.subarray(0, read)
  const torn = bytes.at(-1) !== LINE_FEED
  const whole = torn ? bytes : bytes.subarray(0, -1)
  const last = lineAtEnd(whole)
  const seq = torn ? tornSeq(whole, last) : seqOf(last)
  if (seq === null) {
    throw new Error(`${path} does not end with a ledger line: it is no egress ledger, or damaged`)
  }
  return { head: { hash: lineHash(last), seq }, continued: true, torn }
}

function lineAtEnd(bytes: Buffer): Buffer {
  return bytes.subarray(bytes.lastIndexOf(LINE_FEED) + 1)
}

/** A torn line counts as the one behind the last whole line; null: it is none of ours. */
function tornSeq(bytes: Buffer, torn: Buffer): number | null {
  if (bytes.length === torn.length) return torn.toString('latin1').startsWith(LINE_START) ? 1 : null
  const before = seqOf(lineAtEnd(bytes.subarray(0, bytes.length - torn.length - 1)))
  return before === null ? null : before + 1
}

function seqOf(line: Buffer): number | null {
  const read = readLine(line.toString('utf8'))
  return read.ok ? read.seq : null
}

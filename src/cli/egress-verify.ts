import { lineHash, NO_LINE, type ReadLine, readLine } from '../telemetry/egress-chain.ts'
import { type RawLine, rawLines } from './egress-ledger-reader.ts'
import { EXIT_FINDINGS, EXIT_OK } from './exit.ts'
import { type OutputFormat, printOutput } from './output.ts'

/** Findings that are kept: one damaged place is enough to distrust a ledger. */
const MAX_FINDINGS = 100

export interface LedgerFinding {
  readonly file: string
  readonly line: number
  readonly message: string
}

export interface LedgerReport {
  readonly files: number
  readonly lines: number
  readonly decisions: number
  /** Decisions that the writer itself says it lost. */
  readonly lost: number
  /** Number of the first line: more than 1 when older files are not among those given. */
  readonly firstSeq: number
  readonly head: { readonly seq: number; readonly hash: string }
  readonly findings: readonly LedgerFinding[]
  /** What is no damage: a last line that is not finished, a crash in between. */
  readonly notes: readonly LedgerFinding[]
}

/**
 * `tidegate egress verify`: is every line as it was written, and is none missing? Several files are
 * one chain, whatever the order they are given in. Each of `heads` must be the hash of a line.
 */
export async function verifyLedgers(
  paths: readonly string[],
  heads: readonly string[],
  output: OutputFormat,
): Promise<number> {
  const report = await checkLedgers(paths, heads)
  printOutput(output, report, () => {
    const { files, lines, decisions, lost, head, findings, notes } = report
    for (const note of notes) console.log(`note: ${place(note)}: ${note.message}`)
    for (const finding of findings) console.log(`error: ${place(finding)}: ${finding.message}`)
    console.log(
      `${lines} lines in ${files} files, ${decisions} decisions, ${lost} lost: ` +
        (findings.length === 0 ? 'the chain is whole' : `${findings.length} errors`),
    )
    console.log(`last line ${head.seq}, hash ${head.hash}`)
  })
  return report.findings.length === 0 ? EXIT_OK : EXIT_FINDINGS
}

function place({ file, line }: LedgerFinding): string {
  return line === 0 ? file : `${file}:${line}`
}

export async function checkLedgers(
  paths: readonly string[],
  heads: readonly string[],
): Promise<LedgerReport> {
  const walk = new ChainWalk(heads)
  for (const path of await inOrder(paths)) {
    walk.beginFile(path)
    for await (const line of rawLines(path)) walk.add(line)
  }
  return walk.report(paths.length)
}

/** By the number of their first lines: rotated files come in any order of names. */
async function inOrder(paths: readonly string[]): Promise<readonly string[]> {
  const found: { readonly path: string; readonly seq: number }[] = []
  for (const path of paths) {
    let seq = Infinity
    for await (const { bytes } of rawLines(path)) {
      const line = readLine(bytes.toString('utf8'))
      if (line.ok) seq = line.seq
      break
    }
    found.push({ path, seq })
  }
  return found.toSorted((a, b) => a.seq - b.seq).map(({ path }) => path)
}

interface Before {
  readonly file: string
  readonly line: number
  readonly seq: number
  readonly hash: string
  /** What is wrong with the line itself, unless the next one says that a crash cut it off. */
  readonly broken: string | null
}

/** Follows the chain line by line, and goes on behind a damaged place. */
class ChainWalk {
  readonly #missing: Set<string>
  readonly #findings: LedgerFinding[] = []
  readonly #notes: LedgerFinding[] = []
  #file = ''
  #before: Before | null = null
  #lines = 0
  #decisions = 0
  #lost = 0
  #firstSeq = 0

  constructor(heads: readonly string[]) {
    this.#missing = new Set(heads)
  }

  beginFile(path: string): void {
    this.#file = path
  }

  add(raw: RawLine): void {
    this.#lines++
    const hash = lineHash(raw.bytes)
    this.#missing.delete(hash)
    const line = readLine(raw.bytes.toString('utf8'))
    const before = this.#before
    this.#settle(before, line)
    const seq = line.ok ? line.seq : (before?.seq ?? 0) + 1
    if (line.ok) this.#follow(raw, line, before)
    const broken = line.ok ? null : line.reason
    if (!raw.complete) this.#note(raw.number, 'the last line is not finished: written right now?')
    this.#before = {
      file: this.#file,
      line: raw.number,
      seq,
      hash,
      broken: raw.complete ? broken : null,
    }
  }

  report(files: number): LedgerReport {
    this.#settle(this.#before, null)
    for (const head of this.#missing) {
      this.#find(this.#file, 0, `no line has the hash ${head}: lines at the end are missing`)
    }
    const { seq = 0, hash = NO_LINE } = this.#before ?? {}
    return {
      files,
      lines: this.#lines,
      decisions: this.#decisions,
      lost: this.#lost,
      firstSeq: this.#firstSeq,
      head: { seq, hash },
      findings: this.#findings,
      notes: this.#notes,
    }
  }

  /** Only the line behind tells whether a broken one was cut off by a crash or damaged. */
  #settle(before: Before | null, next: ReadLine | null): void {
    if (before === null || before.broken === null) return
    const torn =
      next !== null &&
      next.ok &&
      (next.entry.type === 'restart' || next.entry.type === 'genesis') &&
      next.entry.torn
    if (torn) this.#note(before.line, 'the process ended in the middle of this line', before.file)
    else this.#find(before.file, before.line, `this is no ledger line: ${before.broken}`)
  }

  #follow(raw: RawLine, line: ReadLine & { ok: true }, before: Before | null): void {
    const { seq, prev, entry } = line
    if (entry.type === 'decision') this.#decisions++
    if (entry.type === 'gap') this.#lost += entry.lost
    if (before === null) {
      this.#firstSeq = seq
      if (seq === 1 && prev !== NO_LINE)
        this.#find(this.#file, raw.number, 'line 1 names one before it')
      if (seq > 1)
        this.#note(raw.number, `it begins at line ${seq}: older files are not among these`)
      return
    }
    if (prev === before.hash && seq === before.seq + 1) return
    if (seq > before.seq + 1) {
      const [from, to] = [before.seq + 1, seq - 1]
      this.#find(this.#file, raw.number, `lines ${from} to ${to} are missing before this one`)
    } else if (prev !== before.hash && seq === before.seq + 1) {
      this.#find(
        before.file,
        before.line,
        'this line was changed: the next one carries another hash',
      )
    } else {
      this.#find(this.#file, raw.number, `line ${seq} does not belong behind line ${before.seq}`)
    }
  }

  #find(file: string, line: number, message: string): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push({ file, line, message })
  }

  #note(line: number, message: string, file: string = this.#file): void {
    if (this.#notes.length < MAX_FINDINGS) this.#notes.push({ file, line, message })
  }
}

import { Chain, type ChainHead, type ProcessIdentity } from './egress-chain.ts'
import { LedgerFile } from './egress-ledger-file.ts'
import type { EgressLine } from './egress-line.ts'

/** Decisions waiting to be written; those beyond are counted and named by a gap line. */
export const MAX_WAITING = 16_384
/** Lines of one write: hashing them takes a few milliseconds. */
const BATCH = 512
const FLUSH_INTERVAL_MS = 200
/** A disk that is full may get room again. */
const RETRY_MS = 1_000
const CLOSE_TIMEOUT_MS = 2_000
/** Egress ledger files are closed and get their own name at this size by default. */
export const DEFAULT_MAX_BYTES = 256 * 1024 * 1024

export interface LedgerOptions {
  readonly path: string
  readonly identity: ProcessIdentity
  /** Default 256 MiB. */
  readonly maxBytes?: number
  /** Default 16384. */
  readonly maxWaiting?: number
  /** Told of what an operator should know: gaps, failed writes, rotations with the chain's head. */
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void
}

/**
 * Writes one hash-chained line for each decision of the egress proxy. Traffic never waits for it:
 * lines are made and written in batches, a slow disk loses decisions, and a gap line says how many.
 */
export class EgressLedger {
  /** Decisions that were not written. */
  lost: number
  readonly #options: LedgerOptions
  readonly #maxBytes: number
  #rotateAt: number
  readonly #maxWaiting: number
  readonly #chain: Chain
  #file: LedgerFile
  /** A number stands for as many decisions that were lost at this place. */
  #waiting: (EgressLine | number)[]
  /** Lost since there was room last. */
  #gap: number
  #chunk: Buffer | null
  #timer: NodeJS.Timeout | null
  #failing: boolean
  #rotates: boolean
  #closed: boolean
  #onIdle: (() => void) | null

  /** Opens the file; throws when that cannot be. */
  constructor(options: LedgerOptions) {
    this.#options = options
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES
    this.#rotateAt = this.#maxBytes
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING
    this.#file = LedgerFile.open(options.path)
    this.#chain = new Chain(this.#file.found.head)
    this.lost = 0
    this.#waiting = []
    this.#gap = 0
    this.#timer = null
    this.#failing = false
    this.#rotates = false
    this.#closed = false
    this.#onIdle = null
    this.#chunk = null
    this.#write(this.#opening(this.#file.found.continued ? 'restart' : 'genesis'))
  }

  /** The end of the chain as it will be once everything is written: worth keeping elsewhere. */
  get head(): ChainHead {
    return this.#chain.head
  }

  add(line: EgressLine): void {
    if (this.#closed || this.#waiting.length >= this.#maxWaiting) {
      this.#lose()
      return
    }
    if (this.#gap > 0) {
      this.#waiting.push(this.#gap)
      this.#gap = 0
    }
    this.#waiting.push(line)
    if (this.#chunk !== null) return
    if (this.#waiting.length >= BATCH) setImmediate(() => this.#flush())
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_INTERVAL_MS).unref()
  }

  /** SIGHUP: goes on in a new file when the old one was moved away. */
  reopen(): void {
    this.#rotates = true
    if (this.#chunk === null) this.#flush()
  }

  /** Writes what is left, as far as the disk takes it within two seconds. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#chunk === null) this.#flush()
    if (this.#chunk !== null) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#onIdle = resolve
      const deadline = setTimeout(resolve, CLOSE_TIMEOUT_MS)
      await promise
      clearTimeout(deadline)
    }
    if (this.#timer !== null) clearTimeout(this.#timer)
    const { hash, seq } = this.#chain.head
    // A write that is still under way uses the descriptor: it is left to the end of the process.
    if (this.#chunk === null) {
      this.#file.close()
      this.#options.log('info', `egress ledger closed: line ${seq}, hash ${hash}`)
    } else {
      this.#options.log('error', `egress ledger ${this.#file.path}: the last lines are not written`)
    }
  }

  #lose(): void {
    this.lost++
    if (this.#gap++ > 0) return
    this.#options.log(
      'error',
      `egress ledger ${this.#file.path} cannot keep up: decisions are lost from here on, a gap line will say how many`,
    )
  }

  #opening(type: 'genesis' | 'restart'): string {
    const time = new Date().toISOString()
    const torn = this.#file.found.torn
    return this.#chain.append({ type, time, torn, ...this.#options.identity })
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#chunk !== null) return
    let text = ''
    const full = this.#file.bytes >= this.#rotateAt && this.#waiting.length > 0
    if (full) text = this.#rotate()
    else if (this.#rotates) text = this.#follow()
    for (const entry of this.#waiting.splice(0, BATCH)) {
      text += typeof entry === 'number' ? this.#gapLine(entry) : this.#decisionLine(entry)
    }
    if (this.#waiting.length === 0 && this.#gap > 0) {
      text += this.#gapLine(this.#gap)
      this.#gap = 0
    }
    if (text !== '') this.#write(text)
    else if (this.#onIdle !== null) this.#onIdle()
  }

  #decisionLine(line: EgressLine): string {
    return this.#chain.append({ type: 'decision', ...line })
  }

  #gapLine(lost: number): string {
    this.#options.log('warn', `egress ledger: ${lost} decisions were not written`)
    return this.#chain.append({ type: 'gap', time: new Date().toISOString(), lost })
  }

  #write(text: string): void {
    this.#chunk = Buffer.from(text, 'utf8')
    this.#append(this.#chunk)
  }

  #append(chunk: Buffer): void {
    this.#file.append(chunk, (error, written) => this.#onWritten(error, written))
  }

  #onWritten(error: Error | null, written: number): void {
    const chunk = this.#chunk!
    if (error !== null) {
      if (!this.#failing) {
        this.#options.log(
          'error',
          `egress ledger ${this.#file.path} cannot be written: ${error.message}; it is tried again`,
        )
      }
      this.#failing = true
      this.#chunk = chunk.subarray(written)
      setTimeout(() => this.#append(this.#chunk!), RETRY_MS).unref()
      return
    }
    if (this.#failing)
      this.#options.log('info', `egress ledger ${this.#file.path} is written again`)
    this.#failing = false
    this.#chunk = null
    if (this.#waiting.length >= BATCH || this.#gap > 0 || this.#closed || this.#rotates) {
      this.#flush()
    } else if (this.#waiting.length > 0) {
      this.#timer ??= setTimeout(() => this.#flush(), FLUSH_INTERVAL_MS).unref()
    }
  }

  /** The file reached its size: it gets its own name, and the chain goes on in a new one. */
  #rotate(): string {
    try {
      const name = this.#file.moveAway(this.#chain.head.seq)
      const { hash, seq } = this.#chain.head
      this.#options.log('info', `egress ledger moved to ${name}: line ${seq}, hash ${hash}`)
    } catch (error) {
      this.#rotateAt += this.#maxBytes
      this.#complain('cannot be moved away', error)
      return ''
    }
    return this.#follow()
  }

  /** Goes on where the path leads, if that is another file by now: the line that opens it, or ''. */
  #follow(): string {
    this.#rotates = false
    try {
      if (!this.#file.moved) return ''
      const before = this.#file
      this.#file = LedgerFile.open(this.#options.path)
      before.close()
    } catch (error) {
      this.#complain('cannot be opened anew', error)
      return ''
    }
    this.#rotateAt = this.#maxBytes
    return this.#opening('genesis')
  }

  #complain(what: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    this.#options.log('error', `egress ledger ${this.#options.path} ${what}: ${reason}`)
  }
}

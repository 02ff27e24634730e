import { closeSync, constants, fstatSync, openSync, write } from 'node:fs'

/** Characters waiting or being written; lines beyond are dropped. */
export const MAX_BUFFERED = 1 << 20
/** Characters that are written without waiting for the interval. */
const FLUSH_AT = 64 * 1024
const FLUSH_INTERVAL_MS = 1000
/** A pipe that is full is tried again after this. */
const RETRY_MS = 20
/** How long `close` waits for a slow reader. */
const CLOSE_TIMEOUT_MS = 1000

/**
 * Writes lines to a file descriptor without ever waiting for it: buffered, one write under way at
 * most, lines dropped and counted when the reader is slow or gone. Nothing is thrown.
 */
export class LogWriter {
  /** Lines that were not written. */
  dropped: number
  readonly #fd: number
  readonly #owned: boolean
  #buffer: string
  #bufferedLines: number
  #chunk: Buffer | null
  #chunkLines: number
  #timer: NodeJS.Timeout | null
  #gone: boolean
  #onIdle: (() => void) | null

  /** `fd` stays open when the writer is closed. */
  constructor(fd: number) {
    const nonBlocking = openNonBlocking(fd)
    this.#fd = nonBlocking ?? fd
    this.#owned = nonBlocking !== null
    this.dropped = 0
    this.#buffer = ''
    this.#bufferedLines = 0
    this.#chunk = null
    this.#chunkLines = 0
    this.#timer = null
    this.#gone = false
    this.#onIdle = null
  }

  /** A write is under way: it uses the descriptor. */
  get writing(): boolean {
    return this.#chunk !== null
  }

  /** Takes one line, line feed included. */
  write(line: string): void {
    const waiting = this.#buffer.length + (this.#chunk === null ? 0 : this.#chunk.length)
    if (this.#gone || waiting + line.length > MAX_BUFFERED) {
      this.dropped++
      return
    }
    this.#buffer += line
    this.#bufferedLines++
    if (this.#chunk !== null) return
    if (this.#buffer.length >= FLUSH_AT) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), FLUSH_INTERVAL_MS).unref()
  }

  /** Starts writing what is buffered. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#chunk !== null || this.#buffer === '') return
    this.#chunk = Buffer.from(this.#buffer, 'utf8')
    this.#chunkLines = this.#bufferedLines
    this.#buffer = ''
    this.#bufferedLines = 0
    this.#writeFrom(0)
  }

  /** Writes what is left, as far as the reader takes it within a second. */
  async close(): Promise<void> {
    this.flush()
    if (this.#chunk !== null) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#onIdle = resolve
      const deadline = setTimeout(resolve, CLOSE_TIMEOUT_MS)
      await promise
      clearTimeout(deadline)
      this.#onIdle = null
    }
    const unwritten = this.#chunk !== null
    this.dropped += this.#bufferedLines + this.#chunkLines
    this.#gone = true
    this.#buffer = ''
    this.#bufferedLines = 0
    this.#chunkLines = 0
    // A write that is still under way holds the descriptor: closing it here could hit another file.
    if (this.#owned && !unwritten) closeSync(this.#fd)
  }

  #writeFrom(offset: number): void {
    const chunk = this.#chunk!
    write(this.#fd, chunk, offset, chunk.length - offset, null, (error, written) => {
      if (error === null) {
        if (offset + written < chunk.length) this.#writeFrom(offset + written)
        else this.#finishChunk()
      } else if (error.code === 'EAGAIN' || error.code === 'EINTR') {
        if (this.#gone) return
        setTimeout(() => this.#writeFrom(offset), RETRY_MS).unref()
      } else {
        this.#fail(error.code)
      }
    })
  }

  #finishChunk(): void {
    this.#chunk = null
    this.#chunkLines = 0
    if (this.#buffer.length >= FLUSH_AT || this.#onIdle !== null) this.flush()
    else if (this.#buffer !== '') {
      this.#timer ??= setTimeout(() => this.flush(), FLUSH_INTERVAL_MS).unref()
    }
    if (this.#chunk === null && this.#onIdle !== null) this.#onIdle()
  }

  /** A full disk may get room again; a reader that left does not come back. */
  #fail(code: string | undefined): void {
    this.dropped += this.#chunkLines
    if (code === 'EPIPE' || code === 'EBADF') {
      this.#gone = true
      this.dropped += this.#bufferedLines
      this.#buffer = ''
      this.#bufferedLines = 0
    }
    this.#finishChunk()
  }
}

/**
 * A pipe opened anew without blocking, or null for anything else. A blocking write to a full pipe
 * would hold one of libuv's threads, and with it the exit of the process. Opening it anew leaves
 * the flags alone that other holders of the pipe share.
 */
function openNonBlocking(fd: number): number | null {
  try {
    if (!fstatSync(fd).isFIFO()) return null
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch {
    return null
  }
}

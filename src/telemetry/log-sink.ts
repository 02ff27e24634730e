import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs'
import { LogWriter } from './log-writer.ts'

const STANDARD_ERROR_FD = 2
/** Like Envoy's log files. */
const FILE_MODE = 0o644

/**
 * Where access log lines go: MeshConfig accessLogFile as `/dev/stdout`, `/dev/stderr` or a path that
 * is appended to.
 */
export class LogSink {
  readonly path: string
  readonly writer: LogWriter
  /** Of a file that was opened here; null for a standard stream. */
  readonly #fd: number | null

  private constructor(path: string, writer: LogWriter, fd: number | null) {
    this.path = path
    this.writer = writer
    this.#fd = fd
  }

  /** Throws what opening a file throws. `stdoutFd` stands for `/dev/stdout`. */
  static open(path: string, stdoutFd: number): LogSink {
    if (path === '/dev/stdout') return new LogSink(path, new LogWriter(stdoutFd), null)
    if (path === '/dev/stderr') return new LogSink(path, new LogWriter(STANDARD_ERROR_FD), null)
    // Without O_NONBLOCK a named pipe that nobody reads would hold up the whole process here.
    const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants
    const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, FILE_MODE)
    return new LogSink(path, new LogWriter(fd), fd)
  }

  /** The path leads to another file by now, or to none: it was rotated away. */
  get moved(): boolean {
    if (this.#fd === null) return false
    const own = fstatSync(this.#fd)
    const named = statSync(this.path, { throwIfNoEntry: false })
    return named === undefined || named.ino !== own.ino || named.dev !== own.dev
  }

  /** Writes what is left, then lets the file go. */
  async close(): Promise<void> {
    await this.writer.close()
    if (this.#fd !== null && !this.writer.writing) closeSync(this.#fd)
  }
}

import { hash } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import type { SourceFile } from '../../file-reading.ts'
import { DirectoryWatch } from './directory-watch.ts'
import { scanFiles, type FoundFile } from './file-scan.ts'
import { readFound } from './file-text.ts'
import { Settle } from './settle.ts'

export interface FileSourceOptions {
  /** Files and folders; what is missing appears as a SourceFile with an error. */
  readonly paths: readonly string[]
  readonly watch: boolean
  /** All files, whenever one of them changed. Not called for what the first `read` returns. */
  onChange(files: readonly SourceFile[]): void
  /** Quiet time after the last write before files are read again. Default 100 ms. */
  readonly settleMs?: number
  /** How often files are compared by `stat`, for changes no event told of. Default 2000 ms. */
  readonly pollMs?: number
}

export interface FileSource {
  /** Everything there is now. */
  read(): Promise<readonly SourceFile[]>
  /** Looks for changes now; `onChange` has been called, if there are any, when this resolves. */
  reload(): Promise<void>
  close(): Promise<void>
}

const DEFAULT_SETTLE_MS = 100
/** Files that are written without pause are read this often all the same. */
const LONGEST_WAIT_MS = 500
const DEFAULT_POLL_MS = 2000

/** Reads configuration from files and folders and watches them. The caller closes it. */
export async function startFileSource(options: FileSourceOptions): Promise<FileSource> {
  const source = new WatchedFiles(options)
  await source.read()
  source.start()
  return source
}

class WatchedFiles implements FileSource {
  readonly #options: FileSourceOptions
  readonly #watch: DirectoryWatch | null
  readonly #settle: Settle
  /** Scans run one after another. */
  #turn: Promise<unknown> = Promise.resolve()
  #poll: NodeJS.Timeout | null = null
  #stamp = ''
  #digest = ''
  #closed = false

  constructor(options: FileSourceOptions) {
    this.#options = options
    const settleMs = options.settleMs ?? DEFAULT_SETTLE_MS
    this.#settle = new Settle(
      settleMs,
      Math.max(settleMs, LONGEST_WAIT_MS),
      () => void this.reload(),
    )
    this.#watch = options.watch ? new DirectoryWatch(() => this.#touch()) : null
  }

  start(): void {
    if (!this.#options.watch) return
    const pollMs = this.#options.pollMs ?? DEFAULT_POLL_MS
    this.#poll = setInterval(() => void this.#compareStamps(), pollMs).unref()
  }

  read(): Promise<readonly SourceFile[]> {
    return this.#inTurn(async () => (await this.#scan()).files)
  }

  reload(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#closed) return
      const { files, changed } = await this.#scan()
      if (changed && !this.#closed) this.#options.onChange(files)
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#poll !== null) clearInterval(this.#poll)
    this.#settle.close()
    await this.#turn
    this.#watch?.close()
  }

  #touch(): void {
    if (!this.#closed) this.#settle.touch()
  }

  async #scan(): Promise<{ files: SourceFile[]; changed: boolean }> {
    const found = await this.#find()
    this.#stamp = stampOf(found)
    const files = await readFound(found)
    const digest = hash(
      'sha256',
      JSON.stringify(files.map((file) => [file.path, file.text, file.error])),
    )
    const changed = digest !== this.#digest
    this.#digest = digest
    return { files, changed }
  }

  async #find(): Promise<FoundFile[]> {
    const watch = this.#closed ? null : this.#watch
    watch?.begin()
    // The folder around each path tells of its removal, its return and of swapped links.
    for (const path of this.#options.paths) watch?.wantPath(dirname(resolve(path)))
    const found = await scanFiles(this.#options.paths, (path, inode) => watch?.want(path, inode))
    watch?.finish()
    return found
  }

  #compareStamps(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#closed || stampOf(await this.#find()) === this.#stamp) return
      this.#touch()
    })
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task)
    this.#turn = result.catch(() => undefined)
    return result
  }
}

function stampOf(found: readonly FoundFile[]): string {
  return found.map((file) => `${file.path}\0${file.stamp}`).join('\n')
}

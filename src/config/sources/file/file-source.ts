import { resolve } from 'node:path'
import type { SourceFile } from '../../file-reading.ts'
import { DirectoryWatch } from './directory-watch.ts'
import { type FileScan, type FoundFile, lookAgain, scanFiles } from './file-scan.ts'
import { FileTexts } from './file-text.ts'
import { Settle } from './settle.ts'

export interface FileSourceOptions {
  /** Files and folders; what is missing appears as a SourceFile with an error. */
  readonly paths: readonly string[]
  readonly watch: boolean
  /** All files, whenever one of them changed. Not called for what the first `read` returns. */
  onChange(files: readonly SourceFile[]): void
  /** Quiet time after the last write before files are read again. Default 50 ms. */
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

const DEFAULT_SETTLE_MS = 50
/** Files that are written without pause are read this often all the same. */
const LONGEST_WAIT_MS = 500
const DEFAULT_POLL_MS = 2000
/** Files that events may name before everything is looked at instead. */
const MAX_HINTS = 64
/** Looks of the poll in a row that give way to a change that events told of. */
const MAX_GIVEN_WAY = 5
/** The poll rests this many times as long as its last look took: many files are looked at less often. */
const POLL_REST = 20

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
  /** Tasks whose turn has not come. */
  #waiting = 0
  #givenWay = 0
  #poll: NodeJS.Timeout | null = null
  readonly #texts = new FileTexts()
  #stamp = ''
  #found: readonly FoundFile[] = []
  /** Where plain files stand in `#found`, by absolute path. */
  #places = new Map<string, number>()
  /** What events named since the last scan; null: everything has to be looked at. */
  #hinted: Set<string> | null = new Set()
  #files: readonly SourceFile[] | null = null
  #closed = false

  constructor(options: FileSourceOptions) {
    this.#options = options
    const settleMs = options.settleMs ?? DEFAULT_SETTLE_MS
    this.#settle = new Settle(
      settleMs,
      Math.max(settleMs, LONGEST_WAIT_MS),
      () => void this.#changed(),
    )
    this.#watch = options.watch ? new DirectoryWatch((path) => this.#touch(path)) : null
  }

  start(): void {
    if (!this.#options.watch) return
    this.#schedulePoll(0)
  }

  #schedulePoll(lastLookMs: number): void {
    const pollMs = Math.max(this.#options.pollMs ?? DEFAULT_POLL_MS, lastLookMs * POLL_REST)
    this.#poll = setTimeout(() => void this.#compareStamps(), pollMs).unref()
  }

  read(): Promise<readonly SourceFile[]> {
    return this.#inTurn(async () => (await this.#scan()).files)
  }

  reload(): Promise<void> {
    this.#hinted = null
    return this.#changed()
  }

  #changed(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#closed) return
      const { files, changed } = await this.#scan()
      if (changed && !this.#closed) this.#options.onChange(files)
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#poll !== null) clearTimeout(this.#poll)
    this.#settle.close()
    await this.#turn
    this.#watch?.close()
  }

  #touch(path: string | null): void {
    if (path === null || this.#hinted === null || this.#hinted.size >= MAX_HINTS) {
      this.#hinted = null
    } else this.#hinted.add(path)
    if (!this.#closed) this.#settle.touch()
  }

  async #scan(): Promise<{ files: SourceFile[]; changed: boolean }> {
    const hinted = this.#hinted
    this.#hinted = new Set()
    const found = (await this.#refresh(hinted)) ?? (await this.#find())
    this.#stamp = stampOf(found)
    const files = await this.#texts.read(found)
    const changed = this.#files === null || !sameFiles(this.#files, files)
    this.#files = files
    return { files, changed }
  }

  /** What was found before, with the named files looked at again; null when that is not enough. */
  async #refresh(hinted: ReadonlySet<string> | null): Promise<readonly FoundFile[] | null> {
    if (hinted === null || hinted.size === 0) return null
    const found = [...this.#found]
    for (const path of hinted) {
      const place = this.#places.get(path)
      const before = place === undefined ? undefined : found[place]
      const now = before === undefined ? null : await lookAgain(before.path)
      if (place === undefined || now === null) return null
      found[place] = now
    }
    this.#found = found
    return found
  }

  async #find(): Promise<readonly FoundFile[]> {
    const { found } = await this.#lookAtAll(() => false)
    return this.#adopt(found)
  }

  #lookAtAll(mayStop: () => boolean): Promise<FileScan> {
    const watch = this.#closed ? null : this.#watch
    watch?.begin()
    // The folder around each path tells of its removal, its return and of swapped links.
    for (const path of this.#options.paths) watch?.wantPath(resolve(path))
    return scanFiles(this.#options.paths, (path, inode) => watch?.want(path, inode), mayStop)
  }

  /** What a whole scan found is what there is. */
  #adopt(found: readonly FoundFile[]): readonly FoundFile[] {
    if (!this.#closed) this.#watch?.finish()
    this.#found = found
    this.#places = new Map()
    for (const [place, { path, plain }] of found.entries()) {
      if (plain) this.#places.set(resolve(path), place)
    }
    return found
  }

  /** A change that is known need not wait until everything was looked at for others. */
  #givesWay(): boolean {
    return this.#closed || (this.#waiting > 0 && this.#givenWay < MAX_GIVEN_WAY)
  }

  #compareStamps(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#closed) return
      const began = performance.now()
      const { found, whole } = await this.#lookAtAll(() => this.#givesWay())
      this.#givenWay = whole ? 0 : this.#givenWay + 1
      if (whole && stampOf(this.#adopt(found)) !== this.#stamp) this.#touch(null)
      if (!this.#closed) this.#schedulePoll(performance.now() - began)
    })
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    this.#waiting++
    const result = this.#turn.then(() => {
      this.#waiting--
      return task()
    })
    this.#turn = result.catch(() => undefined)
    return result
  }
}

function sameFiles(left: readonly SourceFile[], right: readonly SourceFile[]): boolean {
  return (
    left.length === right.length &&
    left.every((file, index) => {
      const other = right[index]
      if (file === other) return true
      return file.path === other?.path && file.text === other.text && file.error === other.error
    })
  )
}

function stampOf(found: readonly FoundFile[]): string {
  return found.map((file) => `${file.path}\0${file.stamp}`).join('\n')
}

import { stat as statFile, type BigIntStats } from 'node:fs'
import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'

/** A file that is to be read, or a path that cannot be. */
export interface FoundFile {
  readonly path: string
  /** Changes when the file does, as far as `stat` tells. */
  readonly stamp: string
  readonly bytes: number
  /** When it, or what `stat` says of it, last changed; milliseconds since the epoch. */
  readonly changedAt: number
  /** A file in a folder, no link: an event about its name is about it. */
  readonly plain: boolean
  readonly error: string | null
}

/** What a scan found. */
export interface FileScan {
  readonly found: readonly FoundFile[]
  /** False: it was stopped while there was more to see. */
  readonly whole: boolean
}

/** Told about a directory before it is listed, so that a watch misses nothing. */
export type DirectoryVisitor = (path: string, inode: bigint) => void

/** More files than this are reported and left out. */
const MAX_FILES = 20_000
const MAX_DEPTH = 32
/** `stat` calls under way at once. */
const STAT_BATCH = 64
const EXTENSION = /\.(?:ya?ml|json)$/i

/**
 * Lists the configuration files below `paths` in a stable order: files as given, folders recursively
 * (`*.yaml`, `*.yml`, `*.json`; names that begin with a dot are left out, and with them the `..data`
 * folders of a mounted ConfigMap, whose files are seen through their symbolic links). Each file
 * appears once, however many links lead to it. `mayStop` is asked between
 * bunches of files: once it says so nothing more is looked at.
 */
export async function scanFiles(
  paths: readonly string[],
  visit: DirectoryVisitor,
  mayStop: () => boolean = () => false,
): Promise<FileScan> {
  const scan = new Scan(visit, mayStop)
  for (const path of paths) await scan.add(path, 0)
  return { found: scan.found, whole: !scan.stopped }
}

class Scan {
  readonly found: FoundFile[] = []
  /** Nothing more is looked at. */
  stopped = false
  readonly #visit: DirectoryVisitor
  readonly #mayStop: () => boolean
  readonly #seen = new Set<string>()

  constructor(visit: DirectoryVisitor, mayStop: () => boolean) {
    this.#visit = visit
    this.#mayStop = mayStop
  }

  async add(path: string, depth: number): Promise<void> {
    if (this.stopped) return
    try {
      const real = await realpath(path)
      if (this.#seen.has(real)) return
      this.#seen.add(real)
      const stats = await stat(real, { bigint: true })
      if (stats.isDirectory()) {
        await this.#addFolder(path, real, stats.ino, depth)
      } else this.#addStats(path, stats, false)
    } catch (error) {
      this.#fail(path, reasonOf(error))
    }
  }

  async #addFolder(path: string, real: string, inode: bigint, depth: number): Promise<void> {
    if (depth > MAX_DEPTH) {
      this.#fail(path, `folders nest deeper than ${MAX_DEPTH}`)
      return
    }
    this.#visit(resolve(path), inode)
    const entries = await readdir(path, { withFileTypes: true })
    entries.sort((left, right) => (left.name < right.name ? -1 : 1))
    // Files of a folder are looked at together, as long as no link or folder stands between them.
    let names: string[] = []
    for (const entry of entries) {
      if (this.stopped) return
      if (entry.name.startsWith('.')) continue
      if (entry.isFile()) {
        if (EXTENSION.test(entry.name)) names.push(entry.name)
        continue
      }
      await this.#addFiles(path, real, names)
      names = []
      // A link may lead to a folder or a file of any name: its target decides.
      const wanted =
        entry.isDirectory() ||
        EXTENSION.test(entry.name) ||
        (entry.isSymbolicLink() && (await leadsToFolder(join(path, entry.name))))
      if (wanted) await this.add(join(path, entry.name), depth + 1)
    }
    await this.#addFiles(path, real, names)
  }

  /** Plain files of one folder: their real path is known without asking. */
  async #addFiles(folder: string, real: string, names: readonly string[]): Promise<void> {
    for (let start = 0; start < names.length; start += STAT_BATCH) {
      this.stopped ||= this.#mayStop()
      if (this.stopped) return
      const batch = names.slice(start, start + STAT_BATCH)
      const results = await statAll(batch.map((name) => join(real, name)))
      for (const [index, name] of batch.entries()) {
        const realFile = join(real, name)
        if (this.#seen.has(realFile)) continue
        this.#seen.add(realFile)
        const stats = results[index]
        if (stats === undefined || stats instanceof Error) {
          this.#fail(join(folder, name), reasonOf(stats))
        } else this.#addStats(join(folder, name), stats, true)
      }
    }
  }

  #addStats(path: string, stats: BigIntStats, plain: boolean): void {
    if (stats.isFile()) this.#push(foundFile(path, stats, plain))
    else this.#fail(path, 'it is neither a file nor a folder')
  }

  #fail(path: string, error: string): void {
    this.#push(unreadable(path, error))
  }

  #push(file: FoundFile): void {
    if (this.found.length > MAX_FILES) return
    if (this.found.length < MAX_FILES) this.found.push(file)
    else {
      const error = `there are more than ${MAX_FILES} files: this one and those after it are not read`
      this.found.push(unreadable(file.path, error))
    }
  }
}

/** A plain file looked at again; null when it is no plain file any more. */
export async function lookAgain(path: string): Promise<FoundFile | null> {
  try {
    const stats = await lstat(path, { bigint: true })
    return stats.isFile() ? foundFile(path, stats, true) : null
  } catch {
    // Gone, or on its way: the next scan tells.
    return null
  }
}

function foundFile(path: string, stats: BigIntStats, plain: boolean): FoundFile {
  const { dev, ino, size, mtimeNs, ctimeNs } = stats
  const changedAt = Math.max(Number(stats.mtimeMs), Number(stats.ctimeMs))
  const stamp = `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
  return { path, stamp, bytes: Number(size), changedAt, plain, error: null }
}

function unreadable(path: string, error: string): FoundFile {
  return { path, stamp: error, bytes: 0, changedAt: 0, plain: false, error }
}

/** One promise for many calls: ten thousand of them are a large part of a scan. */
function statAll(paths: readonly string[]): Promise<readonly (BigIntStats | Error)[]> {
  return new Promise((done) => {
    const results: (BigIntStats | Error)[] = []
    let open = paths.length
    for (const [index, path] of paths.entries()) {
      statFile(path, { bigint: true }, (error, stats) => {
        results[index] = error ?? stats
        if (--open === 0) done(results)
      })
    }
    if (open === 0) done(results)
  })
}

async function leadsToFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    // A dangling link without a configuration file's name is nobody's configuration.
    return false
  }
}

/** What a person needs to know of a file system error. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null
  if (code === 'ENOENT') return 'there is no such file or folder'
  if (code === 'EACCES' || code === 'EPERM') return 'permission is denied'
  if (code === 'ELOOP') return 'its symbolic links form a loop'
  return error instanceof Error ? error.message : String(error)
}

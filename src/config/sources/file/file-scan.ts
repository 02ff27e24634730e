import { readdir, realpath, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'

/** A file that is to be read, or a path that cannot be. */
export interface FoundFile {
  readonly path: string
  /** Changes when the file does, as far as `stat` tells. */
  readonly stamp: string
  readonly bytes: number
  readonly error: string | null
}

/** Told about a directory before it is listed, so that a watch misses nothing. */
export type DirectoryVisitor = (path: string, inode: bigint) => void

/** More files than this are reported and left out. */
const MAX_FILES = 20_000
const MAX_DEPTH = 32
const EXTENSION = /\.(?:ya?ml|json)$/i

/**
 * Lists the configuration files below `paths` in a stable order: files as given, folders recursively
 * (`*.yaml`, `*.yml`, `*.json`; names that begin with a dot are left out, and with them the `..data`
 * folders of a mounted ConfigMap, whose files are seen through their symbolic links). Each file
 * appears once, however many links lead to it.
 */
export async function scanFiles(
  paths: readonly string[],
  visit: DirectoryVisitor,
): Promise<FoundFile[]> {
  const scan = new Scan(visit)
  for (const path of paths) await scan.add(path, 0)
  return scan.found
}

class Scan {
  readonly found: FoundFile[] = []
  readonly #visit: DirectoryVisitor
  readonly #seen = new Set<string>()

  constructor(visit: DirectoryVisitor) {
    this.#visit = visit
  }

  async add(path: string, depth: number): Promise<void> {
    try {
      const real = await realpath(path)
      if (this.#seen.has(real)) return
      this.#seen.add(real)
      const stats = await stat(real, { bigint: true })
      if (stats.isDirectory()) {
        await this.#addFolder(path, stats.ino, depth)
      } else if (stats.isFile()) {
        const stamp = `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
        this.#push({ path, stamp, bytes: Number(stats.size), error: null })
      } else this.#fail(path, 'it is neither a file nor a folder')
    } catch (error) {
      this.#fail(path, reasonOf(error))
    }
  }

  async #addFolder(path: string, inode: bigint, depth: number): Promise<void> {
    if (depth > MAX_DEPTH) {
      this.#fail(path, `folders nest deeper than ${MAX_DEPTH}`)
      return
    }
    this.#visit(resolve(path), inode)
    const entries = await readdir(path, { withFileTypes: true })
    entries.sort((left, right) => (left.name < right.name ? -1 : 1))
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue
      // A link may lead to a folder or a file of any name: its target decides.
      const wanted =
        entry.isDirectory() ||
        EXTENSION.test(entry.name) ||
        (entry.isSymbolicLink() && (await leadsToFolder(join(path, entry.name))))
      if (wanted) await this.add(join(path, entry.name), depth + 1)
    }
  }

  #fail(path: string, error: string): void {
    this.#push({ path, stamp: error, bytes: 0, error })
  }

  #push(file: FoundFile): void {
    if (this.found.length > MAX_FILES) return
    if (this.found.length < MAX_FILES) this.found.push(file)
    else {
      const error = `there are more than ${MAX_FILES} files: this one and those after it are not read`
      this.found.push({ path: file.path, stamp: error, bytes: 0, error })
    }
  }
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

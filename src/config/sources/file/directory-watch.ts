import { statSync, watch, type FSWatcher } from 'node:fs'
import { join } from 'node:path'

/** The kernel's watches are few; folders beyond this are left to the poll. */
const MAX_WATCHES = 2000

interface Watched {
  readonly inode: bigint
  readonly watcher: FSWatcher
}

/** Keeps one watch per folder, renewed when another folder took its place. Close it. */
export class DirectoryWatch {
  readonly #onEvent: (path: string | null) => void
  readonly #watched = new Map<string, Watched>()
  #wanted = new Set<string>()

  /** Called with the path an event is about, as far as it says. */
  constructor(onEvent: (path: string | null) => void) {
    this.#onEvent = onEvent
  }

  get size(): number {
    return this.#watched.size
  }

  /** Between `begin` and `finish`, `want` names every folder to watch; others are let go. */
  begin(): void {
    this.#wanted = new Set()
  }

  want(path: string, inode: bigint): void {
    this.#wanted.add(path)
    const known = this.#watched.get(path)
    if (known?.inode === inode) return
    this.#drop(path)
    if (this.#watched.size >= MAX_WATCHES) return
    try {
      const watcher = watch(path, { persistent: false }, (_event, name) =>
        this.#onEvent(name === null ? null : join(path, name)),
      )
      // A folder that goes away reports it here; the next scan looks for it again.
      watcher.on('error', () => this.#onEvent(null))
      this.#watched.set(path, { inode, watcher })
    } catch {
      // No watch to be had (limits, a file system without events): the poll notices changes.
    }
  }

  /** Watches a folder whose inode nobody looked up yet; a missing one is left to the poll. */
  wantPath(path: string): void {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
    if (stats?.isDirectory() === true) this.want(path, stats.ino)
  }

  finish(): void {
    for (const path of this.#watched.keys()) if (!this.#wanted.has(path)) this.#drop(path)
  }

  close(): void {
    for (const path of this.#watched.keys()) this.#drop(path)
  }

  #drop(path: string): void {
    this.#watched.get(path)?.watcher.close()
    this.#watched.delete(path)
  }
}

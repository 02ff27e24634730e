import { lstatSync, statSync, watch, type FSWatcher } from 'node:fs'
import { basename, dirname, join } from 'node:path'

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
  /** Folders, each with the names in it that matter; null: all. */
  #wanted = new Map<string, Set<string> | null>()
  /** What `finish` makes the wanted ones. */
  #next = new Map<string, Set<string> | null>()

  /** Called with the path an event is about, as far as it says. */
  constructor(onEvent: (path: string | null) => void) {
    this.#onEvent = onEvent
  }

  get size(): number {
    return this.#watched.size
  }

  /**
   * Between `begin` and `finish`, `want` and `wantPath` name every folder to watch; others are let
   * go. Without `finish` all stays as it was.
   */
  begin(): void {
    this.#next = new Map()
  }

  want(path: string, inode: bigint): void {
    this.#next.set(path, null)
    this.#follow(path, inode)
  }

  /** Watches for `path` itself to come, go or lead elsewhere; in a missing folder the poll does. */
  wantPath(path: string): void {
    const folder = dirname(path)
    const stats = statSync(folder, { bigint: true, throwIfNoEntry: false })
    if (stats?.isDirectory() !== true) return
    const names = this.#next.get(folder)
    // What a link leads to may change by another link beside it, as in a mounted ConfigMap.
    if (isLink(path)) this.#next.set(folder, null)
    else if (names === undefined) this.#next.set(folder, new Set([basename(path)]))
    else names?.add(basename(path))
    this.#follow(folder, stats.ino)
  }

  #follow(path: string, inode: bigint): void {
    const known = this.#watched.get(path)
    if (known?.inode === inode) return
    this.#drop(path)
    if (this.#watched.size >= MAX_WATCHES) return
    try {
      const watcher = watch(path, { persistent: false }, (_event, name) => {
        if (name === null) this.#onEvent(null)
        // A folder that is new to us matters whole until a scan was finished.
        else if (this.#wanted.get(path)?.has(name) !== false) this.#onEvent(join(path, name))
      })
      // A folder that goes away reports it here; the next scan looks for it again.
      watcher.on('error', () => this.#onEvent(null))
      this.#watched.set(path, { inode, watcher })
    } catch {
      // No watch to be had (limits, a file system without events): the poll notices changes.
    }
  }

  finish(): void {
    this.#wanted = this.#next
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

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true
}

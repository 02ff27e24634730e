import type { Socket } from 'node:net'
import type { FileReserve } from '../base/file-reserve.ts'
import type { ConnectionSettings } from '../snapshot/connection-settings.ts'
import { clientBlock } from './client-block.ts'
import { canOpenFile } from './open-files.ts'

/** Why an accepted connection was reset at once. */
export type ConnectionRefusal =
  | 'listener-connection-limit'
  | 'address-connection-limit'
  | 'total-connection-limit'
  | 'open-file-limit'

export interface ConnectionGateOptions {
  /** The limits of the moment. */
  settings(): ConnectionSettings
  onRefused(reason: ConnectionRefusal): void
  /** No file can be opened any more: nothing is accepted until that changes (false). */
  onExhausted(exhausted: boolean): void
  /** Proxies that many clients come through: the limit per address does not hold for them. */
  isTrustedProxy?(address: string): boolean
  readonly files: FileReserve
}

/** What the gate opens and shuts as a whole. */
export interface Accepting {
  /** Accepts nothing; connections stay. */
  pause(): void
  /** Accepts again, or rejects: then it is tried again later. */
  resume(): Promise<void>
}

/** Connections without a limit in the configuration. */
const DEFAULT_MAX_CONNECTIONS = 50_000
/** The block of connections whose client a PROXY header is to tell. */
const UNNAMED = 'unnamed'
const WATCH_MS = 500
const RETRY_MS = 100

/**
 * Counts the connections of all traffic listeners and says which are too many: for their listener,
 * their address, the process or its open files. An upstream connection needs a file as well, so
 * connections get half of them unless the configuration says more.
 *
 * When files run out all the same, the kernel keeps telling of connections that cannot be accepted,
 * which costs a core; so the listening sockets are shut until a file can be opened again.
 */
export class ConnectionGate {
  readonly #options: ConnectionGateOptions
  readonly #perBlock = new Map<string, number>()
  readonly #accepting = new Set<Accepting>()
  readonly #watch: NodeJS.Timeout
  #total = 0
  #exhausted = false
  #closed = false

  constructor(options: ConnectionGateOptions) {
    this.#options = options
    this.#watch = setInterval(() => this.#lookForFiles(), WATCH_MS)
    this.#watch.unref()
  }

  get connections(): number {
    return this.#total
  }

  /**
   * The client's block, to be given back with release(); null: it was reset. `announced`: a PROXY
   * header is still to come, so it counts for nobody's address until move().
   */
  admit(socket: Socket, onListener: number, announced: boolean): string | null {
    const block = announced ? UNNAMED : clientBlock(socket.remoteAddress)
    const reason =
      this.#refusal(socket, onListener) ??
      (announced ? null : this.#addressRefusal(block, socket.remoteAddress ?? ''))
    if (reason === null) {
      this.#total++
      this.#remember(block)
      return block
    }
    this.#refuse(socket, reason)
    return null
  }

  /** Counts an admitted connection for the client at `address` from now on. null: it was reset. */
  move(socket: Socket, from: string, address: string): string | null {
    const block = clientBlock(address)
    const reason = this.#addressRefusal(block, address)
    if (reason !== null) {
      this.#refuse(socket, reason)
      return null
    }
    this.#remember(block)
    this.#forget(from)
    return block
  }

  #refuse(socket: Socket, reason: ConnectionRefusal): void {
    socket.on('error', ignore)
    socket.resetAndDestroy()
    this.#options.onRefused(reason)
  }

  release(block: string): void {
    this.#total--
    this.#forget(block)
  }

  #remember(block: string): void {
    this.#perBlock.set(block, (this.#perBlock.get(block) ?? 0) + 1)
  }

  #forget(block: string): void {
    const left = (this.#perBlock.get(block) ?? 1) - 1
    if (left === 0) this.#perBlock.delete(block)
    else this.#perBlock.set(block, left)
  }

  add(server: Accepting): void {
    this.#accepting.add(server)
  }

  remove(server: Accepting): void {
    this.#accepting.delete(server)
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#watch)
  }

  #refusal(socket: Socket, onListener: number): ConnectionRefusal | null {
    const settings = this.#options.settings()
    if (this.#options.files.isTouchedBy(socket)) return 'open-file-limit'
    if (this.#total >= this.#maxConnections(settings)) return 'total-connection-limit'
    if (onListener >= settings.maxConnectionsPerListener) return 'listener-connection-limit'
    return null
  }

  #addressRefusal(block: string, address: string): ConnectionRefusal | null {
    const fromBlock = this.#perBlock.get(block) ?? 0
    if (fromBlock < this.#options.settings().maxConnectionsPerAddress) return null
    const trusted = this.#options.isTrustedProxy?.(address) === true
    return trusted ? null : 'address-connection-limit'
  }

  #maxConnections(settings: ConnectionSettings): number {
    return (
      settings.maxConnections ??
      Math.min(DEFAULT_MAX_CONNECTIONS, this.#options.files.openFiles / 2)
    )
  }

  #lookForFiles(): void {
    if (this.#exhausted || canOpenFile()) return
    this.#exhausted = true
    for (const server of this.#accepting) server.pause()
    this.#options.onExhausted(true)
    this.#tryLater()
  }

  #tryLater(): void {
    setTimeout(() => void this.#tryAgain(), RETRY_MS).unref()
  }

  async #tryAgain(): Promise<void> {
    if (this.#closed) return
    const resumed = canOpenFile() && (await this.#resumeAll())
    if (!resumed) {
      this.#tryLater()
      return
    }
    this.#exhausted = false
    this.#options.onExhausted(false)
  }

  async #resumeAll(): Promise<boolean> {
    const results = await Promise.allSettled([...this.#accepting].map((server) => server.resume()))
    return results.every(({ status }) => status === 'fulfilled')
  }
}

function ignore(): void {}

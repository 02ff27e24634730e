import type { Socket } from 'node:net'

/** Of the open files, what is kept at most. */
const MAX_RESERVED_PART = 0.25

/**
 * The open files of this process, of which connections leave some to everything else: admin, logs
 * and reloads work when clients and endpoints have taken the rest.
 */
export class FileReserve {
  /** How many this process may have open; Infinity: nobody knows. */
  readonly openFiles: number
  readonly #reserved: () => number

  /** `reserved`: how many are kept at the moment; at most a quarter of all are. */
  constructor(openFiles: number, reserved: () => number) {
    this.openFiles = openFiles
    this.#reserved = reserved
  }

  /** The socket took one of those that are kept: there was no other. */
  isTouchedBy(socket: Socket): boolean {
    const kept = Math.min(this.#reserved(), this.openFiles * MAX_RESERVED_PART)
    return descriptorOf(socket) >= this.openFiles - kept
  }
}

/**
 * The kernel gives the lowest free number, so a high one tells that all below are in use. -1 where
 * there are no such numbers, or none yet.
 */
function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle')
  if (typeof handle !== 'object' || handle === null || !('fd' in handle)) return -1
  return typeof handle.fd === 'number' ? handle.fd : -1
}

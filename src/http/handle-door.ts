import process from 'node:process'

/** What Node needs for a write that does not end at once. */
export interface WriteRequest {
  /** Called when all bytes are with the kernel (0), or with a negative errno. */
  oncomplete: ((status: number) => void) | null
  /** The bytes that libuv writes from until then. */
  buffer: Buffer | null
}

/**
 * Node's own means to read from a libuv handle and write to it, for those who pass its streams by. Not documented,
 * though old: who uses them has another way where they are missing.
 */
export interface HandleDoor {
  /** The class of the handles of TCP sockets. */
  readonly TcpHandle: Constructor
  readonly WriteRequest: new () => WriteRequest
  /** Facts of the latest read from any handle, and of the latest write to one. */
  readonly state: Int32Array
  /** Index in `state`: bytes read, or a negative errno. */
  readonly readLength: number
  /** Index in `state`: not 0 when the write goes on. */
  readonly isAsync: number
}

type Constructor = new (...args: never[]) => object

/** null: this Node does not hand them out. */
export const handleDoor: HandleDoor | null = findDoor()

function findDoor(): HandleDoor | null {
  const { TCP: TcpHandle } = bindingOf('tcp_wrap')
  const streams = bindingOf('stream_wrap')
  const { WriteWrap, streamBaseState: state } = streams
  const { kReadBytesOrError: readLength, kLastWriteWasAsync: isAsync } = streams
  const isComplete =
    isConstructor(WriteWrap) &&
    isConstructor(TcpHandle) &&
    state instanceof Int32Array &&
    typeof readLength === 'number' &&
    typeof isAsync === 'number'
  if (!isComplete) return null
  // That its instances have `oncomplete`, no check can tell.
  return {
    TcpHandle,
    WriteRequest: WriteWrap as new () => WriteRequest,
    state,
    readLength,
    isAsync,
  }
}

/** Node's internal module of that name, or nothing. */
function bindingOf(name: string): Record<string, unknown> {
  const binding: unknown = Reflect.get(process, 'binding')
  if (typeof binding !== 'function') return {}
  try {
    return binding.call(process, name) as Record<string, unknown>
  } catch {
    return {}
  }
}

function isConstructor(value: unknown): value is Constructor {
  return typeof value === 'function'
}

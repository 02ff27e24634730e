/** A body of 64 KiB and its head in one read, and so in one write. */
export const READ_BUFFER_BYTES = 81_920
/** Buffers that wait for the next socket that streams: 5 MiB. */
export const MAX_SPARE_BUFFERS = 64
/** Sockets that may have a buffer of their own: 20 MiB. The others share one, and are copied from. */
export const MAX_OWN_BUFFERS = 256
/** Sockets that may have one before they read anything: 5 MiB. */
export const MAX_EARLY_BUFFERS = 64
/** Views of the shared buffer up to this length are kept: most reads are that small. */
const MAX_KEPT_VIEW = 2_048

/** One for the process: a read is handled before the next one begins, on one thread. */
export const sharedBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
const views: (Buffer | null)[] = Array.from({ length: MAX_KEPT_VIEW + 1 }, () => null)
/** By the length of the view that they end. */
const tails: (Buffer | null)[] = views.slice()
const spares: Buffer[] = []
let owned = 0

/** The first `length` bytes of the shared buffer. */
export function sharedView(length: number): Buffer {
  if (length > MAX_KEPT_VIEW) return sharedBuffer.subarray(0, length)
  let view = views[length]!
  if (view === null) {
    view = sharedBuffer.subarray(0, length)
    views[length] = view
  }
  return view
}

function isKept(chunk: Buffer): boolean {
  return chunk.length <= MAX_KEPT_VIEW && views[chunk.length] === chunk
}

/** The first `length` bytes of `chunk`, or null where that would take a new view. */
export function leadingView(chunk: Buffer, length: number): Buffer | null {
  if (chunk.length === length) return chunk
  return isKept(chunk) ? sharedView(length) : null
}

/** `chunk[start, end)`: at its end the view that was made for the last chunk of this length, if it fits. */
export function partOf(chunk: Buffer, start: number, end: number): Buffer {
  const { length } = chunk
  if (start === 0 && end === length) return chunk
  if (end !== length || !isKept(chunk)) return chunk.subarray(start, end)
  const kept = tails[length]!
  if (kept !== null && kept.length === length - start) return kept
  const tail = chunk.subarray(start)
  tails[length] = tail
  return tail
}

/** A buffer for one socket alone, or null when too many have one. */
export function takeOwnBuffer(): Buffer | null {
  if (owned >= MAX_OWN_BUFFERS) return null
  owned++
  return spareBuffer()
}

/** As takeOwnBuffer, for a socket that is likely to read much: while few have one. */
export function takeEarlyBuffer(): Buffer | null {
  return owned < MAX_EARLY_BUFFERS ? takeOwnBuffer() : null
}

/** The socket that had a buffer of its own has none any more; `releaseBuffer` gives back the memory. */
export function dropOwnBuffer(): void {
  owned--
}

export function spareBuffer(): Buffer {
  return spares.pop() ?? Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
}

/** Memory that nobody reads from or writes to any more. */
export function releaseBuffer(buffer: Buffer): void {
  if (spares.length < MAX_SPARE_BUFFERS) spares.push(buffer)
}

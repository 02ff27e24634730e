import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { waitFor } from './wait.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes of buffers that this process refers to, as far as the collector has freed the others. */
export function heldBufferBytes(): number {
  collectGarbage()
  return process.memoryUsage().arrayBuffers
}

/** Bytes of the heap that are reachable. */
export function heldHeapBytes(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

/**
 * Waits until no more than `limit` bytes of buffers are held: freed ones are handed back by a
 * thread of the collector, some time after it ran.
 */
export async function untilHeldBelow(limit: number): Promise<void> {
  let held = 0
  try {
    await waitFor('buffers to be freed', () => (held = heldBufferBytes()) < limit)
  } catch (cause) {
    throw new Error(`${held} bytes of buffers are held, more than ${limit}`, { cause })
  }
}

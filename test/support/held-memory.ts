import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes of buffers that this process still refers to. */
export function heldBufferBytes(): number {
  collectGarbage()
  const { arrayBuffers } = process.memoryUsage()
  return arrayBuffers
}

import type { Server } from 'node:net'

/** A listening TCP socket as node:net holds it; undocumented, so nothing of it is taken for granted. */
interface ListeningHandle {
  setNoDelay(enable: boolean): unknown
  setKeepAlive(enable: boolean, delaySeconds: number): unknown
}

const MS_PER_SECOND = 1_000

/**
 * Sets TCP_NODELAY and keep-alive on a listening socket: on Linux every connection that is made from
 * now on has them too, which saves five system calls for each. False where that is not so, or cannot
 * be done: set them on each connection then.
 */
export function bequeathOptions(server: Server, keepAliveDelayMs: number): boolean {
  if (process.platform !== 'linux') return false
  const handle: unknown = Reflect.get(server, '_handle')
  if (!isListeningHandle(handle)) return false
  const noDelay = handle.setNoDelay(true)
  return noDelay === 0 && handle.setKeepAlive(true, keepAliveDelayMs / MS_PER_SECOND) === 0
}

function isListeningHandle(handle: unknown): handle is ListeningHandle {
  return (
    typeof handle === 'object' &&
    handle !== null &&
    'setNoDelay' in handle &&
    typeof handle.setNoDelay === 'function' &&
    'setKeepAlive' in handle &&
    typeof handle.setKeepAlive === 'function'
  )
}

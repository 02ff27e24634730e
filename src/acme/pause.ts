import { setTimeout as after } from 'node:timers/promises'

/** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await after(ms, undefined, { signal, ref: false })
  } catch {
    signal.throwIfAborted()
  }
}

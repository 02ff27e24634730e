import { performance } from 'node:perf_hooks'
/** Monotonic milliseconds with an arbitrary origin. Injected, so that tests can move time. */
export type Now = () => number

export const monotonicNow: Now = () => performance.now()

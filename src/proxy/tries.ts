/**
 * What an exchange needs to be timed or tried again. Requests without timeout, that are no gRPC and
 * whose first try is the last, have none.
 */
export class Tries {
  /** A gRPC call that is forwarded to a cluster. */
  grpc: boolean
  /** For the whole exchange; 0 = none. */
  timeoutMs: number
  /** The timeout is the client's own (grpc-timeout). */
  clientDeadline: boolean
  /** VirtualService.http.retries.perTryTimeout; 0 = none. */
  perTryTimeoutMs: number
  /** performance.now() at which routeTimer fires. */
  deadlineMs: number
  routeTimer: NodeJS.Timeout | null
  /** perTryTimeout, or the wait before the next try. */
  tryTimer: NodeJS.Timeout | null
  /** Retries that the route's policy asked for. */
  retries: number
  /** The current try is such a one: it has a place in its cluster's RetryGate. */
  entered: boolean

  constructor() {
    this.grpc = false
    this.timeoutMs = 0
    this.clientDeadline = false
    this.perTryTimeoutMs = 0
    this.deadlineMs = 0
    this.routeTimer = null
    this.tryTimer = null
    this.retries = 0
    this.entered = false
  }

  stop(): void {
    if (this.routeTimer !== null) clearTimeout(this.routeTimer)
    if (this.tryTimer !== null) clearTimeout(this.tryTimer)
    this.routeTimer = null
    this.tryTimer = null
  }

  /** Milliseconds until the timeout of the whole exchange; Infinity without one. */
  leftMs(): number {
    return this.routeTimer === null ? Infinity : this.deadlineMs - performance.now()
  }
}

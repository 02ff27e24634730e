/** What faults did so far in this process, over all routes and generations. */
export class FaultStats {
  delaysInjected = 0
  abortsInjected = 0
  /** Requests that wait at this moment. */
  delayed = 0
  /** Delays left out because MAX_DELAYED requests waited already. */
  overflows = 0
}

/** What outlier detection remembers of one endpoint. Changed by OutlierDetection only. */
export class OutlierState {
  consecutive5xx: number
  consecutiveGatewayErrors: number
  consecutiveLocalOriginFailures: number
  ejected: boolean
  /** Clock reading of the latest ejection. */
  ejectedAtMs: number
  /** How long the running ejection lasts. */
  ejectedForMs: number
  /** n in `base * n`: grows with each ejection, shrinks with each sweep without one. */
  multiplier: number
  ejections: number

  constructor() {
    this.consecutive5xx = 0
    this.consecutiveGatewayErrors = 0
    this.consecutiveLocalOriginFailures = 0
    this.ejected = false
    this.ejectedAtMs = 0
    this.ejectedForMs = 0
    this.multiplier = 0
    this.ejections = 0
  }
}

/**
 * What one cluster counts, named as Envoy names its cluster statistics (without `upstream_`).
 * Fields ending in Active are gauges; all others only grow while the cluster lives.
 */
export class UpstreamCounters {
  rqTotal = 0
  rqActive = 0
  rqPendingTotal = 0
  rqPendingActive = 0
  /** Refused because too many wait, or too many are active. */
  rqPendingOverflow = 0
  rqPendingFailureEject = 0
  rqTimeout = 0
  /** Retries that a route's policy asked for. */
  rqRetry = 0
  /** Retried requests whose last answer the policy had nothing against. */
  rqRetrySuccess = 0
  /** Not retried: maxRetries or retryBudget. */
  rqRetryOverflow = 0
  /** Not retried: all attempts were used. */
  rqRetryLimitExceeded = 0
  rqReset = 0
  rq1xx = 0
  rq2xx = 0
  rq3xx = 0
  rq4xx = 0
  rq5xx = 0
  /** Connections that are open or being dialled. */
  cxActive = 0
  cxTotal = 0
  cxConnectFail = 0
  cxConnectTimeout = 0
  cxOverflow = 0
  cxIdleTimeout = 0
  cxMaxRequests = 0
  cxMaxDurationReached = 0
  noneHealthy = 0
  ejectionsActive = 0
  ejectionsTotal = 0
  ejectionsOverflow = 0
  updateSuccess = 0
  updateFailure = 0
  healthCheckAttempt = 0
  healthCheckSuccess = 0
  healthCheckFailure = 0
  /** Of the failures, those without any answer to judge. */
  healthCheckNetworkFailure = 0

  /** By exported name, for the admin API and metrics. */
  toRecord(): Readonly<Record<string, number>> {
    return {
      rq_total: this.rqTotal,
      rq_active: this.rqActive,
      rq_pending_total: this.rqPendingTotal,
      rq_pending_active: this.rqPendingActive,
      rq_pending_overflow: this.rqPendingOverflow,
      rq_pending_failure_eject: this.rqPendingFailureEject,
      rq_timeout: this.rqTimeout,
      rq_retry: this.rqRetry,
      rq_retry_success: this.rqRetrySuccess,
      rq_retry_overflow: this.rqRetryOverflow,
      rq_retry_limit_exceeded: this.rqRetryLimitExceeded,
      rq_reset: this.rqReset,
      rq_1xx: this.rq1xx,
      rq_2xx: this.rq2xx,
      rq_3xx: this.rq3xx,
      rq_4xx: this.rq4xx,
      rq_5xx: this.rq5xx,
      cx_active: this.cxActive,
      cx_total: this.cxTotal,
      cx_connect_fail: this.cxConnectFail,
      cx_connect_timeout: this.cxConnectTimeout,
      cx_overflow: this.cxOverflow,
      cx_idle_timeout: this.cxIdleTimeout,
      cx_max_requests: this.cxMaxRequests,
      cx_max_duration_reached: this.cxMaxDurationReached,
      none_healthy: this.noneHealthy,
      ejections_active: this.ejectionsActive,
      ejections_total: this.ejectionsTotal,
      ejections_overflow: this.ejectionsOverflow,
      update_success: this.updateSuccess,
      update_failure: this.updateFailure,
      health_check_attempt: this.healthCheckAttempt,
      health_check_success: this.healthCheckSuccess,
      health_check_failure: this.healthCheckFailure,
      health_check_network_failure: this.healthCheckNetworkFailure,
    }
  }
}

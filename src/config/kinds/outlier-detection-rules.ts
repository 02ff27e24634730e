import type { TrafficPolicySpec } from './destination-rule.ts'
import { checkCount, checkPercent, checkPositiveDuration } from './number-rules.ts'
import type { Place } from './place.ts'

type OutlierSpec = NonNullable<TrafficPolicySpec['outlierDetection']>

/** `trafficPolicy.outlierDetection` */
export function checkOutlierDetection(place: Place, outlier: OutlierSpec): void {
  for (const field of [
    'consecutiveErrors',
    'consecutive5xxErrors',
    'consecutiveGatewayErrors',
    'consecutiveLocalOriginFailures',
  ] as const) {
    checkCount(place.at(field), outlier[field], `outlier detection ${field}`)
  }
  checkPositiveDuration(place.at('interval'), outlier.interval)
  checkPositiveDuration(place.at('baseEjectionTime'), outlier.baseEjectionTime)
  checkPercent(place.at('maxEjectionPercent'), outlier.maxEjectionPercent)
  checkPercent(place.at('minHealthPercent'), outlier.minHealthPercent)
  place.each(
    'outlierDetectionHttpErrorCodes',
    outlier.outlierDetectionHttpErrorCodes,
    (code, at) => {
      if (code >= 100 && code <= 599) return
      at.error('invalid-status', `HTTP status ${code} is not in range 100-599`)
    },
  )
  const local = outlier.consecutiveLocalOriginFailures ?? 0
  if (local > 0 && outlier.splitExternalLocalOriginErrors !== true) {
    place
      .at('consecutiveLocalOriginFailures')
      .error(
        'local-origin-without-split',
        'outlier detection consecutive local origin failures is specified, but split external local origin errors is set to false',
        'set splitExternalLocalOriginErrors: true',
      )
  }
  warnConsecutiveErrors(place, outlier)
  warnDefaults(place, outlier)
}

function warnConsecutiveErrors(place: Place, outlier: OutlierSpec): void {
  if (outlier.consecutiveErrors === undefined) return
  const at = place.at('consecutiveErrors')
  const text =
    'outlier detection consecutive errors is deprecated, use consecutiveGatewayErrors or consecutive5xxErrors instead'
  if (place.options.compat) {
    at.warning('deprecated-field', `${text}; in compat mode it has no effect, as in Istio`)
  } else if (outlier.consecutiveGatewayErrors !== undefined) {
    at.warning('deprecated-field', `${text}; consecutiveGatewayErrors is set too and wins`)
  } else {
    at.warning(
      'deprecated-field',
      `${text}; it is honoured here as consecutiveGatewayErrors (502, 503, 504 and failed connects)`,
      `write consecutiveGatewayErrors: ${outlier.consecutiveErrors}; Istio itself ignores the old name`,
    )
  }
}

function warnDefaults(place: Place, outlier: OutlierSpec): void {
  const gateway = outlier.consecutiveGatewayErrors ?? 0
  if (gateway > 0 && outlier.consecutive5xxErrors === undefined) {
    place
      .at('consecutiveGatewayErrors')
      .warning(
        'consecutive-5xx-active',
        'consecutive5xxErrors stays active at its default of 5 beside consecutiveGatewayErrors',
        'write consecutive5xxErrors: 0 to count gateway errors only',
      )
  }
  if (outlier.maxEjectionPercent !== undefined) return
  place.warning(
    'ejection-percent-default',
    place.options.compat
      ? 'maxEjectionPercent defaults to 10: with fewer than 10 endpoints none is ever ejected'
      : 'maxEjectionPercent defaults to 10: with fewer than 20 endpoints at most one is ejected at a time',
    'services of 2 to 5 endpoints want maxEjectionPercent: 50 or more',
  )
}

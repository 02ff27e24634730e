import { GRPC_CODES } from '../../base/grpc-code.ts'
import { checkPercent, checkPositiveDuration } from './number-rules.ts'
import type { Place } from './place.ts'
import type { HttpRouteSpec } from './virtual-service.ts'
import { checkDestination } from './weighted-destination-rules.ts'

type FaultSpec = NonNullable<HttpRouteSpec['fault']>

/** `http[].fault` */
export function checkFault(place: Place, fault: FaultSpec): void {
  if (fault.delay === undefined && fault.abort === undefined) {
    place.error('missing-field', 'HTTP fault injection must have an abort and/or a delay')
  }
  if (fault.delay !== undefined) checkDelay(place.at('delay'), fault.delay)
  if (fault.abort !== undefined) checkAbort(place.at('abort'), fault.abort)
}

function checkDelay(place: Place, delay: NonNullable<FaultSpec['delay']>): void {
  if (delay.exponentialDelay !== undefined) {
    place
      .at('exponentialDelay')
      .error('unsupported-fault', 'exponentialDelay not supported yet', 'use fixedDelay')
  } else if (delay.fixedDelay === undefined) {
    place.at('fixedDelay').error('missing-field', 'fixedDelay is required')
  }
  checkPositiveDuration(place.at('fixedDelay'), delay.fixedDelay)
  checkPercent(place.at('percent'), delay.percent)
  checkPercent(place.at('percentage', 'value'), delay.percentage?.value)
  if (delay.percentage === undefined && delay.percent === undefined) warnNever(place, 'delays')
}

function checkAbort(place: Place, abort: NonNullable<FaultSpec['abort']>): void {
  const kinds = (['httpStatus', 'grpcStatus', 'http2Error'] as const).filter(
    (kind) => abort[kind] !== undefined,
  )
  if (kinds.length === 0) {
    place.error('missing-field', 'abort must have httpStatus or grpcStatus')
  } else if (kinds.length > 1) {
    place.error('conflicting-fields', `abort may only contain one of ${kinds.join(' and ')}`)
  }
  if (abort.http2Error !== undefined) {
    place
      .at('http2Error')
      .error('unsupported-fault', 'HTTP/2 abort fault injection not supported yet')
  }
  const { httpStatus, grpcStatus } = abort
  if (httpStatus !== undefined && (httpStatus < 200 || httpStatus > 599)) {
    place
      .at('httpStatus')
      .error('invalid-status', `HTTP status ${httpStatus} is not in range 200-599`)
  }
  if (grpcStatus !== undefined && !GRPC_CODES.has(grpcStatus)) {
    place
      .at('grpcStatus')
      .error(
        'invalid-status',
        `gRPC status "${grpcStatus}" is not supported`,
        'use a name such as UNAVAILABLE',
      )
  }
  checkPercent(place.at('percentage', 'value'), abort.percentage?.value)
  if (abort.percentage === undefined) warnNever(place, 'aborts')
}

function warnNever(place: Place, what: string): void {
  place
    .at('percentage')
    .warning(
      'fault-percentage-missing',
      `no percentage means 0 %: the fault never ${what} a request`,
      'write percentage: {value: 100} for every request',
    )
}

/** `mirror`, `mirrorPercent`, `mirrorPercentage`, `mirrors` */
export function checkMirrors(place: Place, rule: HttpRouteSpec): void {
  const mirrors = rule.mirrors ?? []
  if (rule.mirror !== undefined) {
    if (mirrors.length > 0) {
      place
        .at('mirrors')
        .error('conflicting-fields', 'HTTP route cannot contain both mirror and mirrors')
    }
    checkDestination(place.at('mirror'), rule.mirror)
  }
  checkPercent(place.at('mirrorPercent'), rule.mirrorPercent)
  checkPercent(place.at('mirrorPercentage', 'value'), rule.mirrorPercentage?.value)
  place.each('mirrors', mirrors, (mirror, at) => {
    checkDestination(at.at('destination'), mirror.destination)
    checkPercent(at.at('percentage', 'value'), mirror.percentage?.value)
  })
}

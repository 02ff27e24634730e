import type { AbortReason } from '../http/exchange.ts'
import { Headers } from '../http/headers.ts'
import type { UpstreamFailure } from '../upstream/failure.ts'
import { refuseAddress } from './egress-refusal.ts'
import type { Exchange } from './exchange.ts'
import { sendLocalReply } from './local-reply.ts'

/** Answers the client with the failure's status, body and flag: nothing was sent downstream yet. */
export function answerFailure(exchange: Exchange, failure: UpstreamFailure): void {
  exchange.transportFailure = failure.transportReason
  if (failure.type === 'address-refused') {
    refuseAddress(exchange, failure.transportReason)
    return
  }
  const headers = new Headers()
  if (failure.type === 'overflow' && exchange.mesh.debugHeaders) {
    headers.add('x-envoy-overloaded', 'true')
  }
  sendLocalReply(
    exchange,
    failure.status,
    headers,
    failureBody(failure, exchange.attempts > 1),
    failure.flag,
    failureDetails(failure),
  )
}

/** Envoy's response code details of an exchange that ended with its connection or stream. */
export function abortDetails(reason: AbortReason): string {
  switch (reason) {
    case 'client-closed':
      return 'downstream_remote_disconnect'
    case 'protocol-error':
      return 'http1.codec_error'
    case 'timeout':
      return 'stream_idle_timeout'
    case 'too-long':
      return 'max_duration_timeout'
    case 'shutdown':
      return 'downstream_local_disconnect'
    case 'plugin-failed':
      return 'plugin_failed'
  }
}

/** Envoy's response flag of an exchange that ended with its connection or stream. */
export function abortFlag(reason: AbortReason): string {
  switch (reason) {
    case 'protocol-error':
      return 'DPE'
    case 'timeout':
      return 'SI'
    case 'too-long':
      return 'DT'
    default:
      return 'DC'
  }
}

function failureBody(failure: UpstreamFailure, retried: boolean): string {
  if (failure.type === 'no-endpoint' || failure.type === 'dns-failure') return 'no healthy upstream'
  if (failure.type === 'timeout') return 'upstream request timeout'
  const latest = retried ? 'retried and the latest reset reason' : 'reset reason'
  const reason = `upstream connect error or disconnect/reset before headers. ${latest}: ${failure.resetReason}`
  return failure.transportReason === ''
    ? reason
    : `${reason}, transport failure reason: ${failure.transportReason}`
}

function failureDetails(failure: UpstreamFailure): string {
  if (failure.type === 'no-endpoint') return 'no_healthy_upstream'
  if (failure.type === 'dns-failure') return 'dns_resolution_failure'
  if (failure.type === 'timeout') return 'response_timeout'
  return `upstream_reset_before_response_started{${failure.resetReason.replaceAll(' ', '_')}}`
}

/** The client has the head already: all that is left is to end what it reads. */
export function cutAnswer(exchange: Exchange, failure: UpstreamFailure): void {
  exchange.addFlag(failure.flag)
  exchange.details = 'upstream_reset_after_response_started'
  exchange.transportFailure = failure.transportReason
  exchange.downstream.abort()
  exchange.finish()
}

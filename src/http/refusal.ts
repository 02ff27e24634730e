import type { AbortReason } from './exchange.ts'

/**
 * Why a message is refused before anybody above the wire sees it. `status` is the local answer to a
 * client (Envoy's codes, flag DPE); `reason` is a short constant for logs and counters.
 */
export class Refusal {
  readonly status: number
  readonly reason: string

  constructor(status: number, reason: string) {
    this.status = status
    this.reason = reason
  }
}

export const BAD_LINE_END = new Refusal(400, 'bad-line-end')
export const BAD_CONTROL = new Refusal(400, 'control-character')
export const BAD_START_LINE = new Refusal(400, 'bad-start-line')
export const BAD_TARGET = new Refusal(400, 'bad-target')
export const BAD_FIELD_NAME = new Refusal(400, 'bad-field-name')
export const UNDERSCORE_NAME = new Refusal(400, 'underscore-in-field-name')
export const REPEATED_FIELD = new Refusal(400, 'repeated-field')
export const BAD_HOST = new Refusal(400, 'bad-host')
export const MISSING_HOST = new Refusal(400, 'missing-host')
export const BAD_CONTENT_LENGTH = new Refusal(400, 'bad-content-length')
export const BAD_TRANSFER_ENCODING = new Refusal(400, 'bad-transfer-encoding')
export const LENGTH_AND_ENCODING = new Refusal(400, 'content-length-and-transfer-encoding')
export const BAD_CONNECTION = new Refusal(400, 'bad-connection')
export const UNEXPECTED_BODY = new Refusal(400, 'unexpected-body')
export const BAD_CHUNK = new Refusal(400, 'bad-chunk')
export const CHUNK_EXTENSIONS_TOO_LARGE = new Refusal(413, 'chunk-extensions-too-large')
export const BAD_TRAILER = new Refusal(400, 'bad-trailer')
export const REQUEST_TIMEOUT = new Refusal(408, 'request-timeout')
export const SILENT_REQUEST = new Refusal(408, 'stream-idle-timeout')
export const UNKNOWN_EXPECTATION = new Refusal(417, 'unknown-expectation')
export const OLD_VERSION = new Refusal(426, 'http-1.0')
export const HEAD_TOO_LARGE = new Refusal(431, 'head-too-large')
export const TOO_MANY_FIELDS = new Refusal(431, 'too-many-fields')
export const UNKNOWN_TRANSFER_CODING = new Refusal(501, 'unknown-transfer-coding')
export const UNKNOWN_VERSION = new Refusal(505, 'unknown-version')
export const SILENT_ANSWER = new Refusal(504, 'stream-idle-timeout')
export const EXCHANGE_TOO_LONG = new Refusal(504, 'max-stream-duration')

/** What the handler of an exchange is told when its message is refused. */
export function abortReasonOf(refusal: Refusal): AbortReason {
  switch (refusal) {
    case REQUEST_TIMEOUT:
    case SILENT_REQUEST:
    case SILENT_ANSWER:
      return 'timeout'
    case EXCHANGE_TOO_LONG:
      return 'too-long'
    default:
      return 'protocol-error'
  }
}

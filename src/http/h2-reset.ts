import { constants, type Http2Stream } from 'node:http2'
import { addAbortSignal } from 'node:stream'

/**
 * Stream.close() first ends the writable side, and node:http2 then sends END_STREAM ahead of the
 * RST_STREAM: a body that was cut off would look complete to the peer. Destroying the stream sends
 * RST_STREAM alone; which code it carries depends on the error, hence these two ways.
 */
const CANCELLED = AbortSignal.abort()
const FAILED = new Error('the exchange was aborted')

/** RST_STREAM with CANCEL: we lost interest. */
export function cancelStream(stream: Http2Stream): void {
  if (!stream.destroyed) addAbortSignal(CANCELLED, stream)
}

/** RST_STREAM with INTERNAL_ERROR: what was promised cannot be kept. */
export function failStream(stream: Http2Stream): void {
  if (!stream.destroyed) stream.destroy(FAILED)
}

/** Codes that nghttp2 uses when the peer broke a rule. */
export function isViolation(code: number): boolean {
  switch (code) {
    case constants.NGHTTP2_PROTOCOL_ERROR:
    case constants.NGHTTP2_FLOW_CONTROL_ERROR:
    case constants.NGHTTP2_STREAM_CLOSED:
    case constants.NGHTTP2_FRAME_SIZE_ERROR:
    case constants.NGHTTP2_COMPRESSION_ERROR:
    case constants.NGHTTP2_ENHANCE_YOUR_CALM:
      return true
    default:
      return false
  }
}

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

/** nghttp2's FLOODED (answers that wait) and TOO_MANY_CONTINUATIONS, which node:http2 has no names for. */
const FLOODED = -904
const TOO_MANY_CONTINUATIONS = -905

/** The error of a session that node:http2 or nghttp2 ended because of a flood. */
export function isFloodError({ code, errno }: NodeJS.ErrnoException): boolean {
  if (code === 'ERR_HTTP2_TOO_MANY_INVALID_FRAMES') return true
  return errno === FLOODED || errno === TOO_MANY_CONTINUATIONS
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

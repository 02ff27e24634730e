import { constants } from 'node:http2'

/** The client connection preface (RFC 9113 3.4). */
const PREFACE_BYTES = 24
const FRAME_HEAD_BYTES = 9
const HEADERS = 1
const RST_STREAM = 3
const SETTINGS = 4
const GOAWAY = 7
const GOAWAY_PAYLOAD_BYTES = 8

/**
 * RST_STREAM frames among the first bytes of a connection, preface included. node:http2 takes what
 * was read ahead of it in one go, before it tells of a single stream; so a flood that comes there
 * is found by walking over the frames, which costs next to nothing.
 */
export function countFirstResets(bytes: Buffer): number {
  return countFrames(bytes, RST_STREAM)
}

/** Among the first bytes of a connection, preface included, is the head of a request. */
export function beginsStream(bytes: Buffer): boolean {
  return countFrames(bytes, HEADERS) > 0
}

function countFrames(bytes: Buffer, type: number): number {
  let count = 0
  for (let at = PREFACE_BYTES; at + FRAME_HEAD_BYTES <= bytes.length;) {
    if (bytes[at + 3] === type) count++
    at += FRAME_HEAD_BYTES + bytes.readUIntBE(at, 3)
  }
  return count
}

/** The server's empty SETTINGS, which every connection begins with, and GOAWAY with this code. */
function refusalFrames(code: number): Buffer {
  const frames = Buffer.alloc(2 * FRAME_HEAD_BYTES + GOAWAY_PAYLOAD_BYTES)
  frames[3] = SETTINGS
  frames.writeUIntBE(GOAWAY_PAYLOAD_BYTES, FRAME_HEAD_BYTES, 3)
  frames[FRAME_HEAD_BYTES + 3] = GOAWAY
  frames.writeUInt32BE(code, 2 * FRAME_HEAD_BYTES + 4)
  return frames
}

/** GOAWAY ENHANCE_YOUR_CALM: nothing of the connection was processed. */
export const CALM_FRAMES = refusalFrames(constants.NGHTTP2_ENHANCE_YOUR_CALM)

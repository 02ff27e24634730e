import { expect, it } from 'vitest'
import { H2EngineFixture } from '../../test/support/h2-engine.ts'
import {
  END_HEADERS,
  END_STREAM,
  frame,
  FrameClient,
  GET_FIELDS,
  headerBlock,
  HEADERS,
  RST_STREAM,
  uint32,
  WINDOW_UPDATE,
} from '../../test/support/h2-frames.ts'
import type { RecordingHandler } from '../../test/support/recording-handler.ts'
import { waitFor } from '../../test/support/wait.ts'
import { Headers } from './headers.ts'
import { UNKNOWN_LENGTH } from './request.ts'

const INITIAL_WINDOW_SIZE = 4
const WIDE = 2 ** 30
const PIECE = Buffer.alloc(65_536)
const STALL_MS = 250
const HELD = [3, 5, 7] as const

const MS_PER_PIECE = 5

/** Streams of a client on a slow line; the window of the first one is open in any case. */
async function openStreams(server: H2EngineFixture, window: number): Promise<FrameClient> {
  const client = await FrameClient.open(server.port, [[INITIAL_WINDOW_SIZE, window]])
  client.socket.on('data', (chunk: Buffer) => {
    client.socket.pause()
    setTimeout(() => client.socket.resume(), (chunk.length * MS_PER_PIECE) / PIECE.length)
  })
  const get = headerBlock(GET_FIELDS)
  const request = (stream: number): Buffer => frame(HEADERS, END_HEADERS | END_STREAM, stream, get)
  client.send(
    request(1),
    frame(WINDOW_UPDATE, 0, 0, uint32(WIDE)),
    frame(WINDOW_UPDATE, 0, 1, uint32(WIDE)),
  )
  client.send(...HELD.map(request))
  await server.exchange(HELD.length)
  return client
}

function begin(handler: RecordingHandler): void {
  handler.exchange.sendHead(200, new Headers(), UNKNOWN_LENGTH, false)
}

/** An answer of so many pieces, as fast as the client takes it. */
function pour(handler: RecordingHandler, pieces: number = Infinity): void {
  let left = pieces
  handler.onDrain = () => {
    while (left-- > 0) if (!handler.exchange.sendBody(PIECE)) return
    handler.exchange.sendEnd(null)
  }
  begin(handler)
  handler.onDrain()
}

it('a stream with a shut window is reset although another one keeps a slow line busy', async () => {
  await using server = await H2EngineFixture.start(
    (handler) => {
      if (handler === server.handlers[0]) pour(handler)
      else {
        begin(handler)
        handler.exchange.sendBody(PIECE)
      }
    },
    { writeStallTimeoutMs: STALL_MS },
  )
  const client = await openStreams(server, 0)
  const [poured, ...held] = server.handlers
  await waitFor('the resets', () => held.every((handler) => handler.abortReason === 'timeout'))
  expect(poured!.over).toBe(false)
  await waitFor('their frames', () => HELD.every((stream) => client.find(RST_STREAM, stream)))
  client.socket.destroy()
})

it('nor does it wait for more than the idle time while one long write goes on', async () => {
  const idleMs = 500
  await using server = await H2EngineFixture.start(
    (handler) => {
      if (handler === server.handlers[0]) {
        handler.exchange.sendWhole(200, new Headers(), Buffer.alloc(2 ** 25))
      } else {
        begin(handler)
        handler.exchange.sendBody(PIECE)
      }
    },
    { writeStallTimeoutMs: STALL_MS, streamIdleTimeoutMs: idleMs },
  )
  const client = await openStreams(server, 0)
  const [whole, ...held] = server.handlers
  await waitFor('the resets', () => held.every((handler) => handler.abortReason === 'timeout'))
  expect(whole!.over).toBe(false)
  await waitFor('the whole answer', () => whole!.over)
  expect(whole!.sent).toBe(true)
  client.socket.destroy()
}, 15_000)

it('streams that share a slow line keep their answers', async () => {
  const pieces = 96
  await using server = await H2EngineFixture.start((handler) => pour(handler, pieces), {
    writeStallTimeoutMs: STALL_MS,
  })
  const began = performance.now()
  const client = await openStreams(server, WIDE - 1)
  await waitFor('the answers', () => server.handlers.every((handler) => handler.over))
  expect(performance.now() - began).toBeGreaterThan(4 * STALL_MS)
  expect(server.handlers.map((handler) => handler.abortReason)).toEqual([null, null, null, null])
  client.socket.destroy()
}, 15_000)

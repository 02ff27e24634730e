import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { H2EngineFixture } from '../../test/support/h2-engine.ts'
import {
  ACK,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  FrameClient,
  GET_FIELDS,
  GOAWAY,
  headerBlock,
  HEADERS,
  PING,
  PREFACE,
  readFrames,
  resetStreams,
  type SeenFrame,
  SETTINGS,
  uint32,
  WINDOW_UPDATE,
} from '../../test/support/h2-frames.ts'
import type { RecordingHandler } from '../../test/support/recording-handler.ts'
import { waitFor } from '../../test/support/wait.ts'
import { Headers } from './headers.ts'
import { UNKNOWN_LENGTH } from './request.ts'

const ENHANCE_YOUR_CALM = 11
const BLOCK = headerBlock(GET_FIELDS)
const POST_FIELDS = [[':method', 'POST'] as const, ...GET_FIELDS.slice(1)]
function answerEmpty(handler: RecordingHandler): void {
  handler.exchange.sendWhole(200, new Headers(), '')
}

const PING_FRAME = frame(PING, 0, 0, Buffer.alloc(8))

function isCalmed(frames: readonly SeenFrame[]): boolean {
  const goaway = frames.find(({ type }) => type === GOAWAY)
  return goaway !== undefined && goaway.payload.readUInt32BE(4) === ENHANCE_YOUR_CALM
}

/** A connection whose preface and resets come in one write; resolves with what it was sent. */
function beginWith(port: number, count: number): Promise<readonly SeenFrame[]> {
  const frames: SeenFrame[] = []
  let rest: Buffer = Buffer.alloc(0)
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => (rest = readFrames(Buffer.concat([rest, chunk]), frames)))
  socket.write(
    Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, Buffer.alloc(0)), resetStreams(count)]),
  )
  return new Promise((resolve) => socket.on('close', () => resolve(frames)))
}

test('a connection that begins with a flood is refused before a stream of it is taken', async () => {
  await using fixture = await H2EngineFixture.start()
  expect(isCalmed(await beginWith(fixture.port, 300))).toBe(true)
  expect(fixture.engine.sessionCount).toBe(0)
  expect(fixture.handlers).toEqual([])
})

test('a few resets behind the preface are no flood', async () => {
  await using fixture = await H2EngineFixture.start((handler) =>
    handler.exchange.sendWhole(200, handler.exchange.request.headers, ''),
  )
  const client = await FrameClient.open(fixture.port)
  client.send(resetStreams(100), frame(HEADERS, END_HEADERS | END_STREAM, 201, BLOCK))
  await client.until('an answer', () => client.find(HEADERS, 201) !== undefined)
  expect(isCalmed(client.frames)).toBe(false)
  client.socket.destroy()
})

function headOf(stream: number, ...fields: readonly (readonly [string, string])[]): Buffer {
  const block = Buffer.concat([BLOCK, headerBlock(fields)])
  return frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
}

// node:http2 resets such streams itself and never tells of them.
test.each([
  ['too many fields', 140, 'a'],
  ['too long a list', 30, 'a'.repeat(250)],
])('heads with %s soon end the session', async (_name, count, value) => {
  await using fixture = await H2EngineFixture.start(answerEmpty, {
    maxHeadBytes: 7_000,
    serverResetLimit: 20,
    lingerTimeoutMs: 40,
  })
  const bad = Array.from({ length: count }, () => ['cookie', value] as const)
  const client = await FrameClient.open(fixture.port)
  await client.until('SETTINGS', () => client.find(SETTINGS) !== undefined)
  client.send(frame(SETTINGS, ACK, 0, Buffer.alloc(0)))
  for (let i = 0; i < 20; i++) client.send(headOf(2 * i + 1, ...bad))
  client.send(headOf(41))
  await client.until('an answer', () => client.find(HEADERS, 41) !== undefined)
  client.send(headOf(43, ...bad), headOf(45))
  await client.until('the end', () => client.closed)
  expect(isCalmed(client.frames)).toBe(true)
})

test('stream ids that a client leaves out are no resets', async () => {
  await using fixture = await H2EngineFixture.start(answerEmpty, { idleTimeoutMs: 60 })
  const client = await FrameClient.open(fixture.port)
  client.send(headOf(1_001), headOf(9_001))
  await client.until('GOAWAY', () => client.find(GOAWAY) !== undefined)
  expect(isCalmed(client.frames)).toBe(false)
  client.socket.destroy()
})

test('a client whose frames break rules too often has a smaller budget when it comes back', async () => {
  await using fixture = await H2EngineFixture.start()
  const bad = await FrameClient.open(fixture.port)
  for (let i = 0; i < 150; i++) bad.send(headOf(2 * i + 1, [':path', '/again']))
  await bad.until('the end', () => bad.closed)
  const back = await FrameClient.open(fixture.port)
  back.send(resetStreams(140))
  await back.until('GOAWAY', () => back.closed || back.find(GOAWAY) !== undefined)
  expect(isCalmed(back.frames)).toBe(true)
})

test('who comes back after a flood has a smaller budget each time', async () => {
  await using fixture = await H2EngineFixture.start()
  const outcomes: boolean[] = []
  for (let i = 0; i < 3; i++) {
    const client = await FrameClient.open(fixture.port)
    await waitFor('the session', () => fixture.engine.sessionCount === 1)
    client.send(resetStreams(i === 0 ? 300 : 140 / i))
    await client.until('GOAWAY', () => client.closed || client.find(GOAWAY) !== undefined)
    outcomes.push(isCalmed(client.frames))
    client.socket.destroy()
    await waitFor('no session', () => fixture.engine.sessionCount === 0)
  }
  expect(outcomes).toEqual([true, true, true])
})

test.each([
  ['PING', PING, PING_FRAME],
  ['SETTINGS', SETTINGS, frame(SETTINGS, 0, 0, Buffer.alloc(0))],
])(
  'a %s flood ends the session although the client reads every answer',
  async (_name, type, one) => {
    await using fixture = await H2EngineFixture.start()
    const client = await FrameClient.open(fixture.port)
    const answers = (): number =>
      client.frames.filter((seen) => seen.type === type && seen.flags === ACK).length
    let sent = 0
    for (; sent < 10_000 && !client.closed; sent += 100) {
      client.send(...Array.from({ length: 100 }, () => one))
      await client.until('the answers', () => client.closed || answers() >= sent + 100)
    }
    expect(isCalmed(client.frames)).toBe(true)
    expect(sent).toBeGreaterThanOrEqual(1_000)
    await waitFor('no session', () => fixture.engine.sessionCount === 0)
  },
)

test('a PING for every piece of a body is what gRPC clients send', async () => {
  await using fixture = await H2EngineFixture.start(
    (handler) => handler.exchange.sendHead(200, new Headers(), UNKNOWN_LENGTH, false),
    { controlFramesPerSecond: 1, controlFrameBurst: 5 },
  )
  const client = await FrameClient.open(fixture.port)
  client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, BLOCK))
  const { exchange } = await fixture.exchange()
  const count = (type: number, flags: number): number =>
    client.frames.filter((seen) => seen.type === type && seen.flags === flags).length
  for (let pieces = 1; pieces <= 30; pieces++) {
    exchange.sendBody(Buffer.from('piece'))
    await client.until('the piece', () => count(DATA, 0) === pieces)
    client.send(PING_FRAME)
    await client.until('the answer', () => client.closed || count(PING, ACK) === pieces)
  }
  expect(client.find(GOAWAY)).toBeUndefined()
  client.socket.destroy()
})

/** A byte a second, and a window of 65,535 bytes at once. */
const FEW_OTHER_BYTES = { otherBytesPerSecond: 1, connectionWindowBytes: 65_535 }
const UPDATE = frame(WINDOW_UPDATE, 0, 0, uint32(1))

test('a WINDOW_UPDATE flood ends the session', async () => {
  await using fixture = await H2EngineFixture.start(answerEmpty, {
    ...FEW_OTHER_BYTES,
    lingerTimeoutMs: 40,
  })
  const client = await FrameClient.open(fixture.port)
  client.send(Buffer.concat(Array.from({ length: 6_000 }, () => UPDATE)))
  await client.until('the end', () => client.closed)
  expect(isCalmed(client.frames)).toBe(true)
})

test.each<[string, (client: FrameClient) => void]>([
  [
    'WINDOW_UPDATEs within the budget',
    (client) => client.send(...Array.from({ length: 4_000 }, () => UPDATE)),
  ],
  [
    'long heads',
    (client) => {
      for (let i = 0; i < 5; i++) client.send(headOf(2 * i + 1, ['x', 'a'.repeat(16_000)]))
    },
  ],
  [
    'a body in frames of one byte',
    (client) => {
      client.send(frame(HEADERS, END_HEADERS, 1, headerBlock(POST_FIELDS)))
      client.send(...Array.from({ length: 20_000 }, () => frame(DATA, 0, 1, Buffer.from('a'))))
      client.send(frame(DATA, END_STREAM, 1, Buffer.alloc(0)))
    },
  ],
])('no flood: %s', async (_name, send) => {
  await using fixture = await H2EngineFixture.start(answerEmpty, {
    ...FEW_OTHER_BYTES,
    idleTimeoutMs: 60,
  })
  const client = await FrameClient.open(fixture.port)
  send(client)
  await client.until('GOAWAY', () => client.find(GOAWAY) !== undefined)
  expect(isCalmed(client.frames)).toBe(false)
  client.socket.destroy()
})

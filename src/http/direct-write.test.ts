import type { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { socketPair } from '../../test/support/socket-pair.ts'
import { waitFor } from '../../test/support/wait.ts'
import { DirectWrites } from './direct-write.ts'

const open: (() => void)[] = []

afterEach(() => {
  for (const close of open.splice(0).reverse()) close()
})

const pair = (): Promise<[Socket, Socket]> => socketPair(open)

function writesOf(socket: Socket): DirectWrites {
  const writes = DirectWrites.of(socket)
  expect(writes).not.toBeNull()
  return writes!
}

/** All that `socket` reads, as latin1. */
function listen(socket: Socket): { text: string; ended: boolean } {
  const seen = { text: '', ended: false }
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => (seen.text += text))
  socket.on('end', () => (seen.ended = true))
  return seen
}

/** Writes directly until the kernel takes no more; returns what was written. */
function fill(socket: Socket, writes: DirectWrites): string {
  let sent = ''
  for (let i = 0; socket.writableLength === 0; i++) {
    const text = `${i}:${String.fromCharCode(0x61 + (i % 26)).repeat(16_000)};`
    if (!writes.write(text)) throw new Error('refused before the kernel was full')
    sent += text
  }
  return sent
}

test('this Node lets text be written past the stream of accepted and connected sockets', async () => {
  const [accepted, client] = await pair()
  const seen = listen(client)
  expect(writesOf(accepted).write('caf\u00e9 \u00ff')).toBe(true)
  expect(accepted.writableLength).toBe(0)
  await waitFor('the text', () => seen.text === 'caf\u00e9 \u00ff')
  expect(writesOf(client).write('back')).toBe(true)
})

test('what is no plain TCP socket, or is closed, is left to its stream', async () => {
  const [accepted, client] = await pair()
  expect(DirectWrites.of(new TLSSocket(client))).toBeNull()
  // A stream without a handle, as a plugin or a library may pass for a socket.
  expect(DirectWrites.of(new PassThrough() as unknown as Socket)).toBeNull()
  const writes = writesOf(accepted)
  accepted.destroy()
  expect(writes.write('x')).toBe(false)
  expect(DirectWrites.of(accepted)).toBeNull()
})

test('long text, and a socket whose timer a write moves, are left to the stream', async () => {
  const [accepted] = await pair()
  const writes = writesOf(accepted)
  expect(writes.write('x'.repeat(16_385))).toBe(false)
  accepted.setTimeout(60_000)
  expect(writes.write('x')).toBe(false)
  accepted.setTimeout(0)
  expect(writes.write('x')).toBe(true)
})

/** Five times: what `write` leaves waiting and returns, then the other side reads. All arrives in order. */
async function inRounds(write: (socket: Socket, writes: DirectWrites) => string): Promise<void> {
  const [ours, theirs] = await pair()
  const writes = writesOf(ours)
  let drained = 0
  ours.on('drain', () => drained++)
  const seen = listen(theirs)
  let sent = ''
  for (let round = 1; round <= 5; round++) {
    theirs.pause()
    sent += write(ours, writes)
    theirs.resume()
    await waitFor('drain', () => drained === round)
    expect(ours.writableLength).toBe(0)
  }
  ours.end()
  await waitFor('the end', () => seen.ended)
  expect(seen.text === sent).toBe(true)
}

test('what the kernel does not take waits in the stream, and everything arrives in order', async () => {
  await inRounds((socket, writes) => {
    let sent = fill(socket, writes)
    // Behind bytes that wait, only the stream may write.
    expect(writes.write('early')).toBe(false)
    for (let i = 0; !socket.writableNeedDrain; i++) {
      const text = `stream ${i};`.repeat(500)
      socket.write(text, 'latin1')
      sent += text
    }
    return sent
  })
})

/** More than a stream takes without asking for a 'drain'. */
const CHUNK_BYTES = 65_536

test('a chunk that the kernel takes at once leaves nothing behind in the stream, text in front of it', async () => {
  const [accepted, client] = await pair()
  const seen = listen(client)
  const writes = writesOf(accepted)
  const chunk = Buffer.alloc(CHUNK_BYTES, 'b')
  expect(writes.writeBytes('', chunk)).toBe(true)
  expect(writes.writeBytes('caf\u00e9 \u00ff', chunk)).toBe(true)
  expect(accepted.writableLength).toBe(0)
  expect(accepted.writableNeedDrain).toBe(false)
  const sent = `${chunk.toString('latin1')}caf\u00e9 \u00ff${chunk.toString('latin1')}`
  await waitFor('all bytes', () => seen.text.length === sent.length)
  expect(seen.text).toBe(sent)
  expect(accepted.bytesWritten).toBe(sent.length)
})

test.each(['', 'head of '])('chunks that wait behind %j arrive in order', async (head) => {
  await inRounds((socket, writes) => {
    let sent = ''
    for (let i = 0; socket.writableLength === 0; i++) {
      const chunk = Buffer.alloc(CHUNK_BYTES + i, String.fromCharCode(0x61 + (i % 26)))
      if (!writes.writeBytes(head, chunk)) throw new Error('refused before the kernel was full')
      sent += head + chunk.toString('latin1')
    }
    // The stream asks for a drain, as if it had been written to, and only it may write now.
    expect(socket.writableNeedDrain).toBe(true)
    expect(writes.writeBytes(head, Buffer.alloc(1))).toBe(false)
    return sent
  })
})

test('end() behind text that waits: the text first', async () => {
  const [ours, theirs] = await pair()
  theirs.pause()
  const sent = fill(ours, writesOf(ours))
  ours.end()
  expect(ours.writableFinished).toBe(false)
  const seen = listen(theirs)
  theirs.resume()
  await waitFor('the end', () => seen.ended)
  expect(seen.text).toBe(sent)
  expect(ours.writableFinished).toBe(true)
})

test('destroy() while text waits closes once and without an error', async () => {
  const [ours, theirs] = await pair()
  theirs.pause()
  fill(ours, writesOf(ours))
  const events: string[] = []
  ours.on('error', () => events.push('error'))
  ours.on('close', () => events.push('close'))
  ours.destroy()
  await waitFor('the close', () => events.length > 0)
  expect(events).toEqual(['close'])
})

test.each([
  ['text', (writes: DirectWrites) => writes.write('x')],
  ['a chunk', (writes: DirectWrites) => writes.writeBytes('', Buffer.alloc(CHUNK_BYTES))],
])(
  '%s that cannot be written is an error of the socket, as in its stream',
  async (_what, write) => {
    const [ours, theirs] = await pair()
    const writes = writesOf(ours)
    const errors: unknown[] = []
    ours.on('error', (error) => errors.push(error))
    theirs.resetAndDestroy()
    await waitFor('a failed write', () => {
      if (ours.writable) write(writes)
      return ours.closed
    })
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({ code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) })
  },
)

test.each([
  ['ended', (socket: Socket) => new Promise<void>((done) => void socket.end(done))],
  ['destroyed', async (socket: Socket) => void socket.destroy()],
  ['reset', async (socket: Socket) => void socket.resetAndDestroy()],
])(
  'a socket that was %s since the last write takes no other, without an error',
  async (_how, end) => {
    const [ours, theirs] = await pair()
    const seen = listen(theirs)
    theirs.on('error', () => {})
    const events: unknown[] = []
    ours.on('error', (error) => events.push(error))
    ours.on('close', () => events.push('close'))
    const writes = writesOf(ours)
    writes.write('before ')
    await waitFor('the first text', () => seen.text === 'before ')
    await end(ours)
    writes.write('late')
    expect(writes.isClear).toBe(true)
    expect(writes.write('later')).toBe(false)
    expect(writes.writeBytes('', Buffer.from('latest'))).toBe(false)
    theirs.destroy()
    await waitFor('the close', () => events.length > 0)
    expect(events).toEqual(['close'])
    expect(seen.text).toBe('before ')
  },
)

test('a socket that is gone takes a chunk as if it were written, and its memory is free', async () => {
  const [ours] = await pair()
  const writes = writesOf(ours)
  writes.write('before ')
  ours.destroy()
  await waitFor('the close', () => ours.closed)
  let freed = 0
  expect(writes.writeBytes('', Buffer.from('late'), { free: () => freed++ })).toBe(true)
  expect(freed).toBe(1)
})

test('what the stream was given goes first, however much it is', async () => {
  await inRounds((socket, writes) => {
    expect(writes.write('head;')).toBe(true)
    const text = 'stream;'.repeat(1_000_000)
    writes.giveWay()
    socket.write(text, 'latin1')
    expect(writes.isClear).toBe(false)
    expect(writes.write('early')).toBe(false)
    return `head;${text}`
  })
})

test('a reset while text waits is an error of the socket', async () => {
  const [ours, theirs] = await pair()
  theirs.pause()
  fill(ours, writesOf(ours))
  const errors: unknown[] = []
  ours.on('error', (error) => errors.push(error))
  theirs.resetAndDestroy()
  await waitFor('the close', () => ours.closed)
  expect(errors).toHaveLength(1)
})

import type { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { afterEach, expect, test } from 'vitest'
import { socketPair } from '../../test/support/socket-pair.ts'
import { waitFor } from '../../test/support/wait.ts'
import { DirectWrites } from './direct-write.ts'
import { PassingBytes } from './passing-bytes.ts'
import { readShared } from './shared-read.ts'

const open: (() => void)[] = []

afterEach(() => {
  for (const close of open.splice(0).reverse()) close()
})

const pair = (): Promise<[Socket, Socket]> => socketPair(open)

/** Bytes that tell their place: position 4n holds n as a 32-bit number, xor `seed`. */
function numbered(bytes: number, seed: number): Buffer {
  const words = new Uint32Array(bytes / 4)
  for (let i = 0; i < words.length; i++) words[i] = (i ^ seed) >>> 0
  return Buffer.from(words.buffer)
}

/** Splices what `from` reads to `to`, with backpressure. */
function splice(from: Socket, to: Socket, direct: DirectWrites | null): void {
  const passing = new PassingBytes(to, direct)
  const onChunk = (chunk: Buffer): void => {
    passing.write('', chunk)
    if (to.writableNeedDrain) from.pause()
  }
  from.on('data', onChunk)
  expect(readShared(from, { onChunk })).toBe(true)
  to.on('drain', () => {
    passing.settle()
    from.resume()
  })
}

async function collect(socket: Socket, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
  })
  await waitFor('all bytes', () => length >= bytes)
  return Buffer.concat(chunks)
}

test.each([
  ['through their streams', () => null],
  ['past their streams', (socket: Socket) => DirectWrites.of(socket)],
])('bytes of several sockets at once, %s, arrive as they were sent', async (_way, directOf) => {
  // More than the kernel's buffers on the way hold.
  const size = 16_000_000
  const runs = [1, 2, 3].map(async (seed) => {
    const [inner, source] = await pair()
    const [outer, sink] = await pair()
    splice(inner, outer, directOf(outer))
    const sent = numbered(size, seed * 0x9e3779b1)
    const received = collect(sink, size)
    // Not read for a while: what is written has to wait, in memory that others must not overwrite.
    sink.pause()
    source.write(sent)
    await waitFor('backpressure', () => outer.writableLength > 0)
    sink.resume()
    expect((await received).equals(sent)).toBe(true)
  })
  await Promise.all(runs)
})

test('one chunk may be kept by two streams', async () => {
  const size = 2_000_000
  const [inner, source] = await pair()
  const ends = [await pair(), await pair()] as const
  const passings = ends.map(([ours]) => new PassingBytes(ours))
  const onChunk = (chunk: Buffer): void => {
    for (const passing of passings) passing.write('', chunk)
  }
  inner.on('data', onChunk)
  readShared(inner, { onChunk })
  const sent = numbered(size, 0x51ed270b)
  const received = ends.map(([, theirs]) => collect(theirs, size))
  source.write(sent)
  for (const bytes of await Promise.all(received)) expect(bytes.equals(sent)).toBe(true)
})

test('text goes before the chunk, and other memory is not copied', () => {
  const stream = new PassThrough()
  const passing = new PassingBytes(stream)
  const chunk = Buffer.alloc(10_000, 'x')
  passing.write('head ', chunk)
  expect(stream.read(5).toString()).toBe('head ')
  expect(stream.read().buffer).toBe(chunk.buffer)
})

test('a write that tells when it is done keeps its place among those that do not', async () => {
  const [ours, theirs] = await pair()
  const passing = new PassingBytes(ours, DirectWrites.of(ours))
  const chunks = [8, 8_000_000, 8_000_000, 8].map((length, i) => numbered(length, i))
  let done = 0
  const onWritten = (): void => void done++
  for (const chunk of chunks) passing.write('', chunk, chunk.length > 8 ? onWritten : undefined)
  const all = Buffer.concat(chunks)
  expect((await collect(theirs, all.length)).equals(all)).toBe(true)
  expect(done).toBe(2)
})

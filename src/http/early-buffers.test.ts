import type { Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { socketPair } from '../../test/support/socket-pair.ts'
import { waitFor } from '../../test/support/wait.ts'
import { PassingBytes } from './passing-bytes.ts'
import {
  dropOwnBuffer,
  MAX_EARLY_BUFFERS,
  READ_BUFFER_BYTES,
  sharedBuffer,
  spareBuffer,
  takeOwnBuffer,
} from './read-buffers.ts'
import { readShared } from './shared-read.ts'
import { isLendable } from './socket-reads.ts'

const LARGE = 65_536
/** More than the kernel's buffers on the way hold. */
const STREAM_BYTES = 16_000_000
const open: (() => void)[] = []

afterEach(() => {
  for (const close of open.splice(0).reverse()) close()
})

const pair = (): Promise<[Socket, Socket]> => socketPair(open)

/** Reads one chunk: was it in the memory that all sockets share, could it be lent? */
async function firstRead(
  [ours, theirs]: [Socket, Socket],
  expectsMuch: boolean,
): Promise<{ shared: boolean; lendable: boolean }> {
  let read: { shared: boolean; lendable: boolean } | null = null
  const onChunk = (chunk: Buffer): void => {
    read ??= { shared: chunk.buffer === sharedBuffer.buffer, lendable: isLendable(chunk) }
  }
  ours.on('data', onChunk)
  expect(readShared(ours, { onChunk }, expectsMuch)).toBe(true)
  theirs.write(Buffer.alloc(LARGE))
  await waitFor('the first read', () => read !== null)
  return read!
}

test('a socket that expects much reads to memory of its own from the beginning', async () => {
  expect(await firstRead(await pair(), true)).toEqual({ shared: false, lendable: true })
  expect(await firstRead(await pair(), false)).toEqual({ shared: true, lendable: false })
})

test('only so many have memory before they read anything, and closed ones give it back', async () => {
  const pairs: [Socket, Socket][] = []
  for (let count = 0; count < MAX_EARLY_BUFFERS; count++) {
    const one = await pair()
    pairs.push(one)
    expect(readShared(one[0], { onChunk() {} }, true)).toBe(true)
  }
  expect(await firstRead(await pair(), true)).toEqual({ shared: true, lendable: false })
  for (const [ours] of pairs) ours.destroy()
  await waitFor('the end', () => pairs.every(([ours]) => ours.closed))
  expect(await firstRead(await pair(), true)).toEqual({ shared: false, lendable: true })
})

test('large chunks of the shared memory arrive as they were sent, also those that had to wait', async () => {
  let taken = 0
  open.push(() => {
    while (taken-- > 0) dropOwnBuffer()
  })
  const [from, source] = await pair()
  const [to, sink] = await pair()
  const passing = new PassingBytes(to)
  let largeAndWaiting = 0
  let isShared = true
  const onChunk = (chunk: Buffer): void => {
    // Nobody gets a buffer of its own, also where sockets of earlier tests give one back.
    while (takeOwnBuffer() !== null) taken++
    if (chunk.buffer !== sharedBuffer.buffer) isShared = false
    passing.write('', chunk)
    if (chunk.length >= READ_BUFFER_BYTES / 2 && to.writableLength > 0) {
      largeAndWaiting++
      // The next one who needs memory writes to what is free.
      spareBuffer().fill('n')
    }
    if (to.writableLength > 0) from.pause()
  }
  from.on('data', onChunk)
  expect(readShared(from, { onChunk })).toBe(true)
  to.on('drain', () => passing.settle())
  const sent = numbered(STREAM_BYTES)
  const received: Buffer[] = []
  let length = 0
  // Reads through another socket meanwhile overwrite what all share.
  const [noise, noisy] = await pair()
  expect(readShared(noise, { onChunk() {} })).toBe(true)
  noise.on('data', () => undefined)
  sink.pause()
  source.write(sent)
  await waitFor('backpressure', () => to.writableLength > 0)
  const before = noise.bytesRead
  noisy.write(Buffer.alloc(2 * LARGE, 'n'))
  await waitFor('the noise', () => noise.bytesRead === before + 2 * LARGE)
  to.on('drain', () => from.resume())
  sink.on('data', (chunk: Buffer) => {
    received.push(chunk)
    length += chunk.length
  })
  sink.resume()
  await waitFor('everything', () => length === STREAM_BYTES)
  expect(isShared).toBe(true)
  expect(largeAndWaiting).toBeGreaterThan(0)
  expect(Buffer.concat(received).equals(sent)).toBe(true)
})

/** Bytes that tell their place: position 4n holds n as a 32-bit number. */
function numbered(bytes: number): Buffer {
  const words = new Uint32Array(bytes / 4)
  for (let i = 0; i < words.length; i++) words[i] = i
  return Buffer.from(words.buffer)
}

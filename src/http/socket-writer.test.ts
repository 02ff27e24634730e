import type { Socket } from 'node:net'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { freePages } from '../../test/support/free-pages.ts'
import { socketPair } from '../../test/support/socket-pair.ts'
import { waitFor } from '../../test/support/wait.ts'
import { SocketWriter } from './socket-writer.ts'
import { MAX_PAGES, WritePage } from './write-page.ts'

const open: (() => void)[] = []

afterEach(() => {
  for (const close of open.splice(0).reverse()) close()
})

/** A writer, and what its socket's other end has read so far, as latin1. */
class Line {
  readonly ours: Socket
  readonly theirs: Socket
  readonly writer: SocketWriter
  sent = ''
  seen = ''
  /** What `data` events brought, one each. */
  readonly reads: string[] = []

  private constructor(ours: Socket, theirs: Socket) {
    this.ours = ours
    this.theirs = theirs
    this.writer = new SocketWriter(ours)
    ours.on('drain', () => this.writer.drained())
    ours.on('error', () => {})
    theirs.on('error', () => {})
    theirs.setEncoding('latin1')
    theirs.on('data', (text: string) => {
      this.seen += text
      this.reads.push(text)
    })
  }

  static async open(): Promise<Line> {
    return new Line(...(await socketPair(open)))
  }

  text(text: string): void {
    this.writer.text(text)
    this.sent += text
  }

  bytes(length: number, fill: string): void {
    const chunk = Buffer.alloc(length, fill, 'latin1')
    this.writer.bytes(chunk)
    this.sent += chunk.toString('latin1')
    // As the reader's memory is when it reads on.
    chunk.fill('!')
  }

  async arrives(): Promise<void> {
    await waitFor('all bytes', () => this.seen.length >= this.sent.length)
    expect(this.seen === this.sent).toBe(true)
  }

  /** Until the kernel takes no more, with a message in a page. */
  fillKernel(): void {
    this.theirs.pause()
    for (let i = 0; this.ours.writableLength === 0; i++) {
      this.text(`head ${i} `)
      this.bytes(16_000, String.fromCharCode(0x61 + (i % 26)))
      this.writer.flush()
    }
  }
}

const SIZES = [1, 255, 256, 1_024, 8_192, 8_193, 16_384, 16_385, 40_000]

test.each(SIZES)('a head, %d bytes and what follows them arrive in order', async (length) => {
  const line = await Line.open()
  line.text('h\u00e9ad ')
  line.bytes(length, '\u00ff')
  expect(line.writer.isClear).toBe(length > 16_384)
  line.text('\r\n')
  line.text('0\r\n\r\n')
  line.writer.flush()
  expect(line.writer.isClear).toBe(true)
  await line.arrives()
})

test.each(SIZES)('a second chunk of %d bytes stands behind the first', async (length) => {
  const line = await Line.open()
  line.bytes(1_000, 'a')
  line.text('between')
  line.bytes(length, 'b')
  line.text('x'.repeat(100))
  line.bytes(1_000, 'c')
  line.writer.flush()
  await line.arrives()
})

test('a head and a chunk with its end are one write, also between messages of others', async () => {
  const [line, other] = [await Line.open(), await Line.open()]
  line.text('head ')
  line.bytes(4_000, 'b')
  other.text('head ')
  other.bytes(4_000, 'o')
  line.text('\r\n0\r\n\r\n')
  const before = line.ours.bytesWritten
  line.writer.flush()
  other.writer.flush()
  expect(line.ours.bytesWritten - before).toBe(line.sent.length)
  await line.arrives()
  await other.arrives()
  expect(line.reads).toHaveLength(1)
})

test('a message that the kernel does not take stays as it is while others use pages', async () => {
  const [slow, fast] = [await Line.open(), await Line.open()]
  slow.fillKernel()
  for (let i = 0; i < 20; i++) {
    fast.text(`head ${i}`)
    fast.bytes(16_000, 'f')
    fast.writer.flush()
    await fast.arrives()
  }
  // Behind what waits: by the stream, as text.
  slow.bytes(1_000, 'l')
  slow.writer.flush()
  slow.theirs.resume()
  await slow.arrives()
})

test('pages are free again when what waits is written', async () => {
  const line = await Line.open()
  line.fillKernel()
  expect(freePages()).toBeLessThan(MAX_PAGES)
  line.theirs.resume()
  await line.arrives()
  await waitFor('the pages', () => freePages() === MAX_PAGES)
})

test.each([
  ['destroyed while a message waits in the kernel', (line: Line) => line.fillKernel()],
  ['destroyed before it is flushed', (line: Line) => line.bytes(1_000, 'x')],
])('pages are free again when the socket is %s', async (_what, begin) => {
  const line = await Line.open()
  begin(line)
  expect(freePages()).toBeLessThan(MAX_PAGES)
  line.ours.destroy()
  line.writer.flush()
  line.bytes(1_000, 'late')
  await waitFor('the pages', () => freePages() === MAX_PAGES)
})

test('what is given up is not written, and its page is free', async () => {
  const line = await Line.open()
  line.writer.text('head ')
  line.writer.bytes(Buffer.alloc(1_000))
  line.writer.text('tail')
  line.writer.discard()
  expect(line.writer.isClear).toBe(true)
  expect(freePages()).toBe(MAX_PAGES)
  line.text('next')
  line.writer.flush()
  await line.arrives()
})

test('pages are free again when a write fails', async () => {
  const line = await Line.open()
  line.theirs.resetAndDestroy()
  await waitFor('a failed write', () => {
    line.bytes(1_000, 'x')
    line.writer.flush()
    return line.ours.closed
  })
  await waitFor('the pages', () => freePages() === MAX_PAGES)
})

test('without a page a message waits as text', async () => {
  const line = await Line.open()
  const others: WritePage[] = []
  for (let page = WritePage.withRoom(20_000); page !== null; page = WritePage.withRoom(20_000)) {
    page.put('', Buffer.alloc(20_000))
    others.push(page)
  }
  line.text('head ')
  line.bytes(16_000, 'b')
  line.bytes(1_000, 'c')
  line.writer.flush()
  await line.arrives()
  for (const page of others) page.free()
})

test('whatever is written to several sockets, each reads its own bytes in order', async () => {
  const step = fc.record({
    to: fc.nat(2),
    what: fc.constantFrom('text', 'bytes', 'bytes', 'flush', 'pause', 'resume'),
    length: fc.oneof(fc.constantFrom(...SIZES), fc.integer({ min: 0, max: 20_000 })),
    fill: fc.constantFrom('a', 'b', '\u00e9'),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const lines = [await Line.open(), await Line.open(), await Line.open()]
      for (const { to, what, length, fill } of steps) {
        const line = lines[to]!
        if (what === 'text') line.text(fill.repeat(length % 200))
        else if (what === 'bytes') line.bytes(length, fill)
        else if (what === 'flush') line.writer.flush()
        else line.theirs[what]()
      }
      for (const line of lines) {
        line.writer.flush()
        line.theirs.resume()
        await line.arrives()
      }
      for (const close of open.splice(0)) close()
    }),
    { numRuns: 40 },
  )
  await waitFor('the pages', () => freePages() === MAX_PAGES)
})

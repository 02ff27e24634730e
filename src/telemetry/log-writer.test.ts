import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { recordOf } from '../../test/support/exchange-records.ts'
import { AccessLog } from './access-log.ts'
import { LogWriter, MAX_BUFFERED } from './log-writer.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-log-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('nothing happened in time')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe('a file', () => {
  let path = ''
  let fd = -1
  beforeEach(() => {
    path = join(folder, 'access.log')
    fd = openSync(path, 'a')
  })
  afterEach(() => closeSync(fd))
  const content = (): string => readFileSync(path, 'utf8')

  test('gets lines in order when the writer closes', async () => {
    const writer = new LogWriter(fd)
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index} é\n`)
    for (const line of lines) writer.write(line)
    await writer.close()
    expect(content()).toBe(lines.join(''))
    expect(writer.dropped).toBe(0)
  })

  test('gets a line within about a second', async () => {
    const writer = new LogWriter(fd)
    writer.write('one\n')
    expect(content()).toBe('')
    await until(() => content() === 'one\n')
    await writer.close()
  })

  test('gets 64 KiB without waiting for the interval', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const writer = new LogWriter(fd)
      const line = `${'x'.repeat(65_535)}\n`
      writer.write(line)
      const deadline = Date.now() + 10_000
      while (content() !== line && Date.now() < deadline) await new Promise(setImmediate)
      expect(content()).toBe(line)
      await writer.close()
    } finally {
      vi.useRealTimers()
    }
  })

  test('gets nothing after close, and that is counted', async () => {
    const writer = new LogWriter(fd)
    await writer.close()
    writer.write('late\n')
    await writer.close()
    expect(content()).toBe('')
    expect(writer.dropped).toBe(1)
  })

  test('gets the access log in the format of the moment', async () => {
    const log = new AccessLog(new LogWriter(fd), null)
    log.onExchangeEnd(recordOf())
    log.setFormat({ format: (record) => `${record.status}\n` })
    log.onExchangeEnd(recordOf())
    log.onExchangeEnd(recordOf({ status: 404 }))
    await log.close()
    expect(content()).toBe('200\n404\n')
    expect(log.dropped).toBe(0)
  })
})

describe('a pipe', () => {
  let reader = -1
  let fd = -1
  beforeEach(() => {
    const path = join(folder, 'pipe')
    execFileSync('mkfifo', [path])
    reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    fd = openSync(path, 'w')
  })
  afterEach(() => {
    closeSync(fd)
    if (reader !== -1) closeSync(reader)
  })

  function drain(): string {
    const chunk = Buffer.alloc(1 << 16)
    let text = ''
    for (;;) {
      try {
        const length = readSync(reader, chunk, 0, chunk.length, null)
        if (length === 0) return text
        text += chunk.toString('utf8', 0, length)
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return text
        throw error
      }
    }
  }

  test('that nobody reads costs bounded memory and is caught up with later', async () => {
    const writer = new LogWriter(fd)
    const line = `${'x'.repeat(1023)}\n`
    const count = (2 * MAX_BUFFERED) / line.length
    for (let i = 0; i < count; i++) writer.write(line)
    expect(writer.dropped).toBe(count / 2)
    let received = ''
    await until(() => {
      received += drain()
      return received.length === MAX_BUFFERED
    })
    writer.write('after\n')
    await writer.close()
    expect(drain()).toBe('after\n')
    expect(writer.dropped).toBe(count / 2)
  })

  test('that stays full delays close by about a second and counts the rest', async () => {
    const writer = new LogWriter(fd)
    for (let i = 0; i < 512; i++) writer.write(`${'x'.repeat(1023)}\n`)
    const started = performance.now()
    await writer.close()
    expect(performance.now() - started).toBeLessThan(5000)
    expect(writer.dropped).toBeGreaterThan(0)
  })

  test('whose reader left loses lines and nothing else', async () => {
    const writer = new LogWriter(fd)
    closeSync(reader)
    reader = -1
    writer.write('lost\n')
    writer.flush()
    await until(() => writer.dropped === 1)
    writer.write('lost too\n')
    expect(writer.dropped).toBe(2)
    await writer.close()
  })
})
